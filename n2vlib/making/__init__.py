"""The book is made here: chapters executed, pages built, everything checked. Chapters import nothing of this."""
