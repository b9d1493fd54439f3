"""What our pages share: one file of HTML each, which needs no server and no network.

document    style, script and values in one file, with a policy that lets nothing else run or load
pictures    thumbnails, each once, and masks as paths
page.html, page.css, and scripts: dom, pictures, lists, views (in this order, before a page's own)
"""
