// The view is given by the address behind #, so that it can be shared.

/**
 * Show the view of the address, now and whenever it changes.
 * makers: {name: function that makes the nodes of a view}; these are made once, and the first is shown where no name fits.
 * onePage: gives the function for an address of another kind, or null.
 */
function startViews(makers, onePage) {
  showViews((address) => {
    const make = onePage(address),
      name = address.slice(1);
    if (make) return { key: name, make };
    const known = Object.hasOwn(makers, name) ? name : Object.keys(makers)[0];
    return { key: known, kept: true, make: makers[known] };
  });
}

/**
 * The same with addresses of any form.
 * wanted(address): key, the address that a view is known by; make, which may return a promise of its nodes; kept, if it is
 * made once; title, of the window; calm, if it neither scrolls nor takes the focus
 * Returns the function that shows the view of the address; after(view's wanted) is called when it is there.
 */
function showViews(wanted, after = () => {}) {
  const main = document.querySelector("main"),
    title = document.title,
    views = {},
    scrolled = {};
  let here = null;

  async function show() {
    const asked = wanted(location.hash),
      { key, kept, calm } = asked,
      first = here === null;
    if (here in views) scrolled[here] = scrollY;
    here = key;
    const view = views[key] ?? (await made(asked.make));
    if (here !== key) return; // another one was asked for meanwhile
    if (kept) views[key] = view;
    main.replaceChildren(view);
    after(asked);
    markCurrent(key);
    const heading = view.querySelector("h2[tabindex]");
    document.title = [kept ? null : heading?.textContent, asked.title ?? title].filter(Boolean).join(" · ");
    if (first || calm) return;
    scrollTo(0, kept ? (scrolled[key] ?? 0) : 0);
    heading?.focus({ preventScroll: true });
  }

  if ("scrollRestoration" in history) history.scrollRestoration = "manual";
  addEventListener("hashchange", show);
  show();
  return show;
}

/** The nodes of a view, or why there are none. */
async function made(make) {
  try {
    return el("div", { class: "view" }, await make());
  } catch (error) {
    console.error(error);
    return el("p", { role: "alert" }, error.message);
  }
}

/** Mark the link of the bar whose view this is, or whose list leads to it. */
function markCurrent(key) {
  for (const link of document.querySelectorAll("header nav a")) {
    const own = link.hash.slice(1),
      on = own === key || key.startsWith(own.slice(0, -1) + "-");
    if (on) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}
