// The view is given by the address behind #, so that it can be shared.

/**
 * Show the view of the address, now and whenever it changes.
 * makers: {name: function that makes the nodes of a view}; these are made once, and the first is shown where no name fits.
 * onePage: gives the function for an address of another kind, or null.
 */
function startViews(makers, onePage) {
  const main = document.querySelector("main"),
    title = document.title,
    views = {},
    scrolled = {};
  let here = null;

  function wanted(address) {
    const make = onePage(address),
      name = address.slice(1);
    if (make) return [address, make];
    const known = Object.hasOwn(makers, name) ? name : Object.keys(makers)[0];
    return [known, makers[known]];
  }

  function show() {
    const [key, make] = wanted(location.hash),
      first = here === null,
      kept = key in makers;
    if (here in makers) scrolled[here] = scrollY;
    const view = (kept && views[key]) || el("div", { class: "view" }, make());
    if (kept) views[key] = view;
    main.replaceChildren(view);
    markCurrent(key);
    const heading = view.querySelector("h2[tabindex]");
    document.title = kept ? title : `${heading.textContent} · ${title}`;
    here = key;
    if (first) return;
    scrollTo(0, kept ? (scrolled[key] ?? 0) : 0);
    heading?.focus({ preventScroll: true });
  }

  if ("scrollRestoration" in history) history.scrollRestoration = "manual";
  addEventListener("hashchange", show);
  show();
}

/** Mark the link of the bar whose view this is, or whose list leads to it. */
function markCurrent(key) {
  for (const link of document.querySelectorAll("header nav a")) {
    const on = link.hash === `#${key}` || key.startsWith(link.hash.slice(0, -1) + "-");
    if (on) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}
