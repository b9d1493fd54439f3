// Pictures with masks. A picture is stored once: as text, decoded when it first comes near the viewport, or in a folder.

let PICTURES = null;
const addresses = new Map();

function address(image) {
  if (DATA.folder) return `pictures/${image}.webp`;
  PICTURES ??= JSON.parse(document.getElementById("pictures").textContent);
  if (!addresses.has(image)) {
    const bytes = Uint8Array.from(atob(PICTURES[image]), (letter) => letter.charCodeAt(0));
    addresses.set(image, URL.createObjectURL(new Blob([bytes], { type: "image/webp" })));
  }
  return addresses.get(image);
}

/**
 * An image dimmed outside its mask (the predicted one, if there is one): the predicted edge dashed orange, the annotated
 * one solid white; without a mask, the image alone.
 */
function picture(image, words, predicted, annotated) {
  const [height, width] = DATA.grid;
  const edges = [
    [annotated, "annotated"],
    [predicted, "predicted"],
  ].map(([mask, name]) => [mask ? smooth(mask) : "", name]);
  const overlay = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const lit = predicted === undefined ? edges[0][0] : edges[1][0];
  if (predicted ?? annotated) overlay.append(svg("path", { class: "dim", d: `M0 0h${width}v${height}h-${width}z${lit}` }));
  for (const [edge, name] of edges) {
    if (edge) overlay.append(svg("path", { class: "casing", d: edge }), svg("path", { class: name, d: edge }));
  }
  const frame = el(
    "span",
    { class: "picture" },
    el("img", { src: address(image), alt: words, decoding: "async" }),
    overlay,
  );
  frame.style.aspectRatio = `${width} / ${height}`;
  return frame;
}

/** A path along pixel edges with rounded corners: it moves by at most half a pixel. */
function smooth(path) {
  return loops(path)
    .map((points) => {
      const cut = cutCorners(cutCorners(points));
      return "M" + cut.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`).join("L") + "Z";
    })
    .join("");
}

/** The corners of each loop, one pixel apart. */
function loops(path) {
  return path
    .split("z")
    .filter(Boolean)
    .map((loop) => {
      const [start, ...runs] = loop.match(/[Mhv][^Mhv]*/g);
      let [x, y] = start.slice(1).split(" ").map(Number);
      const points = [];
      for (const run of runs) {
        const length = Number(run.slice(1)),
          step = Math.sign(length);
        for (let i = 0; i !== length; i += step) {
          points.push([x, y]);
          if (run[0] === "h") x += step;
          else y += step;
        }
      }
      return points;
    });
}

function cutCorners(points) {
  return points.flatMap(([x, y], i) => {
    const [u, v] = points[(i + 1) % points.length];
    return [
      [0.75 * x + 0.25 * u, 0.75 * y + 0.25 * v],
      [0.25 * x + 0.75 * u, 0.25 * y + 0.75 * v],
    ];
  });
}

const actions = new WeakMap();
const watcher = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      actions.get(target)();
    }
  },
  { rootMargin: "300px" },
);

/** Do something once the node comes near the viewport. */
function whenSeen(node, action) {
  actions.set(node, action);
  watcher.observe(node);
  return node;
}

/** Fill the node with the result of `build`, which may be a promise, once it comes near the viewport. */
function whenNear(node, build) {
  return whenSeen(node, async () => node.replaceChildren(...(await build())));
}
