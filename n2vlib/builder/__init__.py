"""Building the book: executing chapters, building pages, checking everything. Chapters do not import this.

book          executes the changed chapters, on checked parameters
pairs         chapters as texts and as notebooks that agree
toc           the table of contents, from the landing page
chapter_key   what the executed copy of a chapter depends on
kernels       kernels that start in milliseconds and end with the process that started them
child         child processes that end with their parent
site          the site, from executed chapters
chart_mime    charts in the site
figures       what made each figure of a chapter
one_page      an executed chapter as one file
checks        the `test` command
"""
