// The contents come in parts, each a value under a name: in an element of this page, or in a script of the folder data.

const arrived = new Map();
const asked = new Map();

/** What a script of the folder calls. */
function part(name, value) {
  arrived.set(name, value);
}

/** A promise of a part, which is read once. */
function load(name) {
  const own = document.getElementById(name);
  if (own && !arrived.has(name)) part(name, JSON.parse(own.textContent));
  if (arrived.has(name)) return Promise.resolve(arrived.get(name));
  if (!asked.has(name)) asked.set(name, beside(name));
  return asked.get(name);
}

function beside(name) {
  return new Promise((done, failed) => {
    const src = `data/${name}.js`;
    const missing = () => failed(new Error(`${src} is missing: the folders data and pictures belong beside this page.`));
    document.head.append(el("script", { src, onload: () => done(arrived.get(name)), onerror: missing }));
  });
}

// DATA is the index: the part a page opens with.
const LAYERS = DATA.layers.map(({ concept, iou, sure, formula, description, best, detectors, ...named }, at) => {
  return { ...named, at, filters: { concept, iou, sure, formula, description }, concepts: { ...CONCEPTS, best, detectors } };
});
const ONE = LAYERS.length === 1;

/** The layer with the numbers of its filters and concepts, which the index has only in part. */
async function opened(layer) {
  const { filters, concepts, ...more } = await load(`layer-${layer.at}`);
  Object.assign(layer.filters, filters);
  Object.assign(layer.concepts, concepts);
  return Object.assign(layer, more);
}

/** Pictures and lists of a filter. */
async function ofFilter(layer, k) {
  const [per] = DATA.per,
    place = placesOf(layer)[k];
  return (await load(`layer-${layer.at}-filters-${Math.floor(place / per)}`))[place % per];
}

/** The place of each filter in the order of the parts: the highest dissection IoU first, the lower number on a tie. */
function placesOf(layer) {
  if (!layer.places) {
    const { iou } = layer.filters;
    layer.places = [];
    const order = [...iou.keys()].sort((a, b) => iou[b] - iou[a] || a - b);
    order.forEach((k, place) => (layer.places[k] = place));
  }
  return layer.places;
}

/** Weights, nearest concepts and examples of a concept. */
async function ofConcept(layer, c) {
  const [, per] = DATA.per;
  return (await load(`layer-${layer.at}-concepts-${Math.floor(c / per)}`))[c % per];
}

/** The address of a view of a layer. */
function to(layer, view) {
  return ONE ? `#${view}` : `#${layer.slug}/${view}`;
}
