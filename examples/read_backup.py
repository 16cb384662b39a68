#!/usr/bin/env python3
"""Reads backups of chroma-ops from a local repository, with Python's standard library alone.

    read_backup.py REPOSITORY                                lists the backups
    read_backup.py REPOSITORY BACKUP                         lists the collections of one
    read_backup.py REPOSITORY BACKUP TENANT/DATABASE/NAME    prints its records, one JSON object per line

Every checksum is verified. The format is described in docs/format.md.
"""
import functools, gzip, hashlib, json, pathlib, struct, sys


def read_head(root, backup):
    data = (root / "backups" / f"{backup}.json").read_bytes()
    seal = ',\n"sha256":"%s"\n}\n' % hashlib.sha256(data[:-80]).hexdigest()
    if data[-80:] != seal.encode():
        sys.exit(f"error: the manifest of {backup} does not match its own checksum")
    head = json.loads(data)
    if head["format"] != 1 or set(head["requires"]) - {"layers"}:
        sys.exit(f"error: {backup} needs a newer reader: {head['requires']}")
    return head


@functools.lru_cache(maxsize=6)
def read_object(path, content_id, sha256, encoding):
    stored = path.read_bytes()
    if hashlib.sha256(stored).hexdigest() != sha256:
        sys.exit(f"error: {path} is damaged")
    plaintext = gzip.decompress(stored) if encoding == "gzip" else stored
    if hashlib.sha256(plaintext).hexdigest()[:32] != content_id:
        sys.exit(f"error: {path} does not have the content it names")
    return plaintext


def read_extents(root, objects, extents):
    pieces = []
    for index, offset, length in extents:
        ref = objects[index]
        path = root / "objects" / ref["backup"] / f"{ref['id']}.{ref['sha256']}"
        pieces.append(read_object(path, ref["id"], ref["sha256"], ref["encoding"])[offset : offset + length])
    return b"".join(pieces)


def read_contents(root, head):
    contents = head["contents"]
    if "document" in contents:
        contents = json.loads(read_extents(root, contents["objects"], contents["document"]))
    return contents


def read_rows(root, catalogue, groups):
    dimension = catalogue["definition"]["dimension"] or 0
    for group in groups:
        vectors = read_extents(root, catalogue["objects"], group["vectors"])
        lines = read_extents(root, catalogue["objects"], group["payload"]).split(b"\n")
        missing = {row for first, rows in group["missing"] for row in range(first, first + rows)}
        for row in range(group["rows"]):
            record = json.loads(lines[row])
            floats = struct.unpack_from(f"<{dimension}f", vectors, row * dimension * 4)
            record["embedding"] = None if row in missing else floats
            yield record


def read_tombstones(root, catalogue, layer):
    data, at = read_extents(root, catalogue["objects"], layer["tombstones"]), 0
    while at < len(data):
        place, length = struct.unpack_from("<II", data, at)
        yield place
        at += 8 + length


def read_records(root, contents, entry):
    """Rows of the base and of all appends have places 0, 1, 2, ...; layers replace and delete rows by place."""
    catalogue = json.loads(read_extents(root, contents["objects"], entry["catalogue"]))
    layers = catalogue["layers"]
    changed = {}  # the place of each row that is not as it was: its latest version, None when deleted
    for layer in layers:
        places = read_extents(root, catalogue["objects"], layer["places"])
        rows = read_rows(root, catalogue, layer["replacements"])
        changed.update((place, record) for (place,), record in zip(struct.iter_unpack("<I", places), rows))
        changed.update((place, None) for place in read_tombstones(root, catalogue, layer))
    groups = catalogue["rowGroups"] + [group for layer in layers for group in layer["appends"]]
    for place, record in enumerate(read_rows(root, catalogue, groups)):
        record = changed.get(place, record)
        if record is not None:
            yield record


def main(root, backup=None, collection=None):
    root = pathlib.Path(root)
    if backup is None:
        return [print(path.stem) for path in sorted((root / "backups").glob("*.json"))]
    contents = read_contents(root, read_head(root, backup))
    for entry in contents["collections"]:
        name = f"{entry['tenant']}/{entry['database']}/{entry['name']}"
        if collection is None:
            print(entry["status"], entry["records"], name, sep="\t")
        elif name == collection and entry["status"] != "failed":
            return [print(json.dumps(record)) for record in read_records(root, contents, entry)]
    return collection is not None and sys.exit(f"error: {backup} has no collection {collection}")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
