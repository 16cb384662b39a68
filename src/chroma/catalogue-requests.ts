import type { CatalogueEntry } from './catalogue-entry.js'

/** Requests that a server refuses, and servers that are not reached. */
export const requestFindings = [
  {
    finding: 'V1_API',
    pattern: /v1 API is deprecated/i,
    what: 'Somebody used API v1, which Chroma 1.x no longer has.',
    advice: 'use a client that speaks API v2 (/api/v2)',
  },
  {
    finding: 'PAGE_TOO_BIG',
    pattern: /too many SQL variables/i,
    what: 'One request asked for more than 32,766 records or ids, more than SQLite takes in one statement.',
    advice: 'ask for at most 5,000 records in one request',
  },
  {
    finding: 'BATCH_TOO_BIG',
    pattern:
      /greater than max(?:imum)? batch size|Cannot submit more than|exceeds? max(?:imum)? batch size|Payload too large|Request Entity Too Large|length limit exceeded/i,
    what: 'One request carried more than the server or a proxy before it takes (Chroma: 40 MiB).',
    advice: 'send smaller batches, or raise max_payload_size_bytes of the server and the limit of the proxy',
  },
  {
    finding: 'QUOTA_EXCEEDED',
    pattern: /Quota exceeded|Billing limit exceeded|exceeded (?:your )?quota/i,
    what: 'A quota of Chroma Cloud forbids it.',
    advice: 'write smaller batches (300 records at most), or have the quota raised',
  },
  {
    finding: 'RATE_LIMITED',
    pattern: /rate.?limit|Too Many Requests|Backoff and retry/i,
    what: 'The server or a gateway gets more requests than it wants.',
    advice: 'lower the concurrency, or wait and repeat',
  },
  {
    finding: 'DIM_MISMATCH',
    pattern:
      /dimension of \d+, got \d+|does not match collection dimensionality|does not match (?:the )?(?:collection )?dimension/i,
    what: 'The vectors have another length than those of the collection: another embedding model was used.',
    advice:
      'embed with the model of the collection, or embed all its documents anew: "chroma-ops migrate create NAME --template reembed" writes the migration',
  },
  {
    finding: 'EMBEDDER_CONFLICT',
    pattern: /Embedding function conflict|embedding function already exists in the collection configuration/i,
    what: 'The collection says that another embedding function made its vectors than the one that is given.',
    advice:
      'open it with the persisted one; to change the model, embed all documents anew: "chroma-ops migrate create NAME --template reembed" writes the migration',
    warning:
      'Changing the embedding function alone is taken by the server, and the old vectors stay: searches are wrong without any error.',
  },
  {
    finding: 'SPACE_FIXED',
    pattern: /Changing the distance function of a collection/i,
    what: 'The distance of a collection is fixed when it is created; so is its dimension. Metadata that has hnsw:space in it counts as an attempt too.',
    advice:
      'leave the hnsw:* keys out of the metadata; to measure otherwise, "chroma-ops migrate create NAME --template space" writes a migration that copies the collection and swaps the names',
  },
  {
    finding: 'CLOUD_ONLY',
    pattern:
      /not implemented for local|is not implemented|not enabled in local|unsupported for local|not supported (?:in|for|by) (?:the )?local/i,
    what: 'A single-node server does not have this operation.',
    advice: 'use get or query instead of search, and leave out sparse vectors and functions',
  },
  {
    finding: 'NAME_TAKEN',
    pattern: /UNIQUE constraint failed: collections\.name|already exists/i,
    what: 'The name is in use already.',
    advice: 'choose another name, or rename or delete what has it now',
  },
  {
    finding: 'BAD_RECORD',
    pattern:
      /non-empty dict|IDs to be unique|did not match any variant of untagged enum|Expected metadata|duplicate(?:d)? IDs?/i,
    what: 'A record is not one that Chroma takes: empty or nested metadata, a null value, or an id twice in one batch.',
    advice: 'leave out empty metadata and null values, and make the ids of a batch unique',
  },
  {
    finding: 'GLIBC_TOO_OLD',
    pattern: /GLIBC_2\.\d+' not found/i,
    what: 'The Chroma server in the npm package was built for a newer C library than this system has.',
    advice:
      'run Chroma in a container or from pip, or use a system with glibc 2.39 (Debian 13, Ubuntu 24.04)',
  },
  {
    finding: 'SERVER_CRASHED',
    pattern: /exit(?:ed with)? (?:code|status) 139|SIGSEGV|Segmentation fault|panicked at/i,
    what: 'The server crashed; with exit code 139 almost always while walking a damaged vector index.',
    advice:
      'keep the log and a copy of the data directory, then find the collection with health --level deep',
  },
  {
    finding: 'DNS',
    pattern: /ENOTFOUND|EAI_AGAIN|Name or service not known|Temporary failure in name resolution/i,
    what: 'The name of the host has no address.',
    advice: 'check the host in the URL; in a cluster, whether the service has a ready pod',
  },
  {
    finding: 'CONNECTION_REFUSED',
    pattern: /ECONNREFUSED|Connection refused/i,
    what: 'The machine is there, but nothing listens on the port.',
    advice:
      'check the port and whether the server runs; a server on "localhost" may listen on ::1 alone, or on 127.0.0.1 alone',
  },
  {
    finding: 'UNREACHABLE',
    pattern: /EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|No route to host|Network is unreachable/i,
    what: 'There is no way to the machine: a firewall, a wrong address, or a VPN that is down.',
    advice: 'check the address, the firewall, and whether a proxy is needed (HTTPS_PROXY)',
  },
  {
    finding: 'CONNECTION_RESET',
    pattern: /ECONNRESET|EPIPE|socket hang up|other side closed|Connection reset/i,
    what: 'The connection ended without an answer: the server restarts, a proxy cut it, or the request made the server panic.',
    advice: 'look in the log of the server for a panic at this time',
  },
  {
    finding: 'TLS_NOT_SPOKEN',
    pattern: /wrong version number|packet length too long|http request on https|HTTPS port/i,
    what: 'One side speaks TLS and the other does not.',
    advice: 'use http:// instead of https:// (or the other way round); Chroma itself speaks no TLS',
  },
  {
    finding: 'TLS_CLIENT_CERTIFICATE',
    pattern:
      /certificate.required|alert bad certificate|alert unknown ca|ALERT_(?:CERTIFICATE|BAD|UNKNOWN)|No required SSL certificate/i,
    what: 'The server wants a certificate of the client, and got none or one it does not trust.',
    advice: 'give --cert-file and --key-file with a certificate that the server trusts',
  },
  {
    finding: 'TLS_UNTRUSTED',
    pattern:
      /self.signed certificate|unable to (?:verify|get).*certificate|SELF_SIGNED_CERT|UNABLE_TO_(?:VERIFY|GET)|CERT_UNTRUSTED/i,
    what: "The server's certificate was signed by an authority that is not known here.",
    advice: 'give the authority with --ca-file or NODE_EXTRA_CA_CERTS',
  },
  {
    finding: 'TLS_WRONG_NAME',
    pattern: /ERR_TLS_CERT_ALTNAME_INVALID|does not match certificate's altnames/i,
    what: "The server's certificate is for another name than the host in the URL.",
    advice: 'use a name of the certificate in the URL, or give it with --tls-server-name',
  },
  {
    finding: 'TLS_EXPIRED',
    pattern: /certificate has expired|CERT_HAS_EXPIRED|certificate is not yet valid|CERT_NOT_YET_VALID/i,
    what: "The server's certificate is not valid today.",
    advice: 'renew the certificate, and check the clocks of both machines',
  },
  {
    finding: 'PROXY_REFUSED',
    pattern: /refused a tunnel|Proxy Authentication Required/i,
    what: 'The proxy does not open a way to the server.',
    advice:
      'allow the host and port on the proxy, put user and password into the URL of the proxy, or name the host in NO_PROXY',
  },
  {
    finding: 'HANDLER_FAILED',
    pattern: /Error executing plan|Internal error/i,
    what: 'The server failed while working on a request, and does not say why.',
    advice: 'read the server log at this time, and check the collection with health --level deep',
  },
] as const satisfies readonly CatalogueEntry[]
