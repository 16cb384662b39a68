import { list, map, toggle, value } from './setting.js'
import { booleanOf, nonEmpty, serverUrlOf } from './values.js'

/** Which server, which part of it, which repository, and with which credentials. */
export const targetSettings = {
  url: value(serverUrlOf, {
    flags: '--url <url>',
    environment: 'CHROMA_OPS_URL',
    key: 'url',
    description: 'the server, with its path prefix if it has one',
  }),
  dataPath: value(nonEmpty, {
    flags: '--path <directory>',
    environment: 'CHROMA_OPS_PATH',
    key: 'path',
    path: true,
    description: "a data directory (Chroma's persist directory), in place of a server",
  }),
  fallbackPath: value(nonEmpty, {
    flags: '--fallback-path <directory>',
    environment: 'CHROMA_OPS_FALLBACK_PATH',
    key: 'fallback_path',
    path: true,
    description: "the server's data directory, to back up while the server is away",
  }),
  cloud: toggle({
    flags: '--cloud',
    environment: 'CHROMA_OPS_CLOUD',
    key: 'cloud',
    description: 'Chroma Cloud, with the key in CHROMA_API_KEY',
  }),
  tenant: list({
    flags: '--tenant <name>',
    environment: ['CHROMA_OPS_TENANT', 'CHROMA_TENANT'],
    key: 'tenant',
    description: 'a tenant; can be repeated (default: default_tenant)',
  }),
  tenantsFile: value(nonEmpty, {
    flags: '--tenants-file <file>',
    environment: 'CHROMA_OPS_TENANTS_FILE',
    key: 'tenants_file',
    path: true,
    description: 'a file with the name of a tenant on each line',
  }),
  database: list({
    flags: '--database <name>',
    environment: ['CHROMA_OPS_DATABASE', 'CHROMA_DATABASE'],
    key: 'database',
    description: 'a database; can be repeated (default: all of the tenant)',
  }),
  repo: value(nonEmpty, {
    flags: '--repo <url>',
    environment: 'CHROMA_OPS_REPO',
    key: 'repo',
    path: true,
    description: 'the backup repository: a path, file:///…, s3://, azblob:// or gs://bucket/prefix',
  }),
  endpointUrl: value(serverUrlOf, {
    flags: '--endpoint-url <url>',
    environment: ['CHROMA_OPS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'],
    key: 's3.endpoint_url',
    description: 'of the store: an S3 service other than that of AWS, or an emulator',
  }),
  region: value(nonEmpty, {
    flags: '--region <name>',
    environment: 'CHROMA_OPS_REGION',
    key: 's3.region',
    description: 'the region of the bucket',
  }),
  forcePathStyle: value(booleanOf, {
    environment: 'CHROMA_OPS_FORCE_PATH_STYLE',
    key: 's3.force_path_style',
    description: 'address buckets as https://host/bucket (default: with --endpoint-url)',
  }),
  series: value(nonEmpty, {
    environment: 'CHROMA_OPS_SERIES',
    key: 'series',
    description:
      "the series that a backup belongs to (default: the profile's name, else made from the target)",
  }),
  tokenFile: value(nonEmpty, {
    flags: '--token-file <file>',
    environment: 'CHROMA_OPS_TOKEN_FILE',
    key: 'token_file',
    path: true,
    description: "a file with the server's token",
  }),
  tokenCommand: value(nonEmpty, {
    flags: '--token-command <command>',
    environment: 'CHROMA_OPS_TOKEN_COMMAND',
    key: 'token_command',
    description: 'a shell command that prints the token',
  }),
  token: value(nonEmpty, {
    environment: 'CHROMA_OPS_TOKEN',
    secret: true,
    description: "the server's token",
  }),
  apiKey: value(nonEmpty, {
    environment: 'CHROMA_API_KEY',
    secret: true,
    description: 'the key of Chroma Cloud',
  }),
  tokenHeader: value(nonEmpty, {
    flags: '--token-header <name>',
    environment: 'CHROMA_OPS_TOKEN_HEADER',
    key: 'token_header',
    description: 'the header that carries the token (default: Authorization; x-chroma-token with --cloud)',
  }),
  header: map({
    flags: '--header <header>',
    key: 'headers',
    description: "a header, 'name: env:VARIABLE' or 'name: file:PATH'; can be repeated",
  }),
}
