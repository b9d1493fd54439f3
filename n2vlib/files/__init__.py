"""Files and folders: written completely or not at all; users' files, read within limits.

output      writing files that users name
partial     results appear complete or not at all; long work continues where it was interrupted
sealed      folders whose damage is detected
npy         .npy files, written part by part
cells       texts in tables that a spreadsheet would take for formulas
userfiles   users' tables and YAML, read so that none can exhaust memory
parsed      users' JSON and XML, likewise
"""
