"""Building the book: executing chapters, building pages, checking everything. Chapters do not import this."""
