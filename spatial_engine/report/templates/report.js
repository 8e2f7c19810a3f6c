// The gallery: filters, pages, keys, the large view. Text of records is bound as text only.
"use strict";

const PAGE_SIZE = 24;
// A ring around a dot that is in the picture goes around the letter beside it, too: pixels of the
// image, which grow with images that are wider than usual.
const RING = { width: 84, usual: 1296, least: 30 };

// Records stay outside the component: Alpine would watch each of them for changes.
const data = window.reportData || { tasks: [], scenes: [], datasets: [], images: [], names: {}, records: [] };

const records = data.records.map((record, number) => ({
  ...record,
  key: number,
  anchor: `record-${number}`,
  taskName: data.tasks[record.task],
  sceneName: data.scenes[record.scene],
  datasetName: data.datasets[record.dataset],
  link: `#${encodeURIComponent(record.id)}`,
  kinds: [...record.marks.map((mark) => mark[1]), ...record.lines.map(kindOfLine)],
}));

function kindOfLine(line) { return line[1] ? "side" : "box"; }

// What shapes and colours mean, of those kinds only that some record has.
function legendOf(shown) {
  const kinds = new Set(shown.flatMap((record) => record.kinds));
  const dotted = shown.every((record) => record.dotted) ? "dotted" : "";
  return Object.entries(data.names).filter(([kind]) => kinds.has(kind)).map(([kind, name]) => ({
    kind,
    name,
    shape: ["box", "side"].includes(kind) ? `line ${kind}` : `mark ${kind} ${dotted}`,
  }));
}

// A text in parts: `quoted` ones as code, and short [ lists ] and code that are kept on one line.
function partsOf(text) {
  return text.split(/(`[^`\n]*`|\[[^[\]\n]{1,40}\])/).map((part, key) => {
    const isCode = part.length > 2 && part.startsWith("`") && part.endsWith("`");
    if (isCode) return { key, text: part.slice(1, -1), kind: part.length < 43 ? "code" : "code long" };
    return { key, text: part, kind: key % 2 ? "nowrap" : "" };
  });
}

const FILTERS = ["task", "split", "dataset", "scene", "text", "onlyDoubtful"];

const numberById = new Map();
for (const record of records) if (!numberById.has(record.id)) numberById.set(record.id, record.key);

const haystacks = []; // filled by the first search

function haystack(record) {
  haystacks[record.key] ??= [
    record.id, record.description, record.question, record.answer, record.value,
    ...record.warnings, ...record.facts, record.other,
  ].join("\n").toLowerCase();
  return haystacks[record.key];
}

function ringWidth(image) {
  return `max(${RING.least}px, ${100 * RING.width / Math.min(image.width, RING.usual)}%)`;
}

function pictureOf(record, number, large) {
  const image = data.images[record.images[number]];
  const marks = record.marks.filter((mark) => mark[0] === number);
  const places = marks.map(([, kind, x, y, label]) =>
    `${[data.names[kind], label].filter(Boolean).join(" ")} at ${x}, ${y}`);
  const lines = record.lines.filter((line) => line[0] === number);
  const pathOf = (kind) => lines.filter((line) => kindOfLine(line) === kind)
    .map(([, , x1, y1, x2, y2]) => `M${x1} ${y1}L${x2} ${y2}`).join("");
  const name = record.images.length > 1 ? `Image-${number + 1}` : "Image";
  return {
    key: `${record.key}-${number}-${large}`,
    src: large ? image.large : image.small,
    small: image.small,
    width: image.width,
    height: image.height,
    shape: { aspectRatio: `${image.width} / ${image.height}` },
    name,
    path: image.name,
    hasLines: lines.length > 0,
    box: pathOf("box"),
    side: pathOf("side"),
    alt: [`${name}: ${image.name}`, ...places].join("; "),
    action: large ? `zoom into ${name}` : `show ${name} of ${record.id} large`,
    marks: marks.map(([, kind, x, y, label], index) => ({
      key: index,
      // With a label that stands below it at the top; in pictures with dots there is none.
      shape: [kind, y < 70 ? "at-top" : "", record.dotted ? "dotted" : ""].join(" "),
      label,
      place: {
        left: `${x / 10}%`,
        top: `${y / 10}%`,
        ...(record.dotted && { width: ringWidth(image) }),
      },
    })),
  };
}

document.addEventListener("alpine:init", () => {
  window.Alpine.data("report", () => ({
    view: "overview",
    task: "",
    split: "",
    dataset: "",
    scene: "",
    text: "",
    onlyDoubtful: false,
    showPoints: true,
    found: records.map((record) => record.key), // numbers of the records that fit the filters
    at: 0, // place of the chosen one among them
    chosen: false,
    isOpen: false,
    legend: legendOf(records),

    init() {
      for (const name of FILTERS) {
        this.$watch(name, () => {
          this.filter();
          if (!this.isOpen) this.replaceAddress(this.filterHash);
        });
      }
      this.followHash();
    },

    // Filters.
    filter() {
      const words = this.text.toLowerCase().split(/\s+/).filter(Boolean);
      const before = this.chosen ? this.found[this.at] : -1;
      this.found = records.filter((record) =>
        (!this.task || record.taskName === this.task) &&
        (!this.split || record.split === this.split) &&
        (!this.onlyDoubtful || record.warnings.length) &&
        (!this.dataset || record.datasetName === this.dataset) &&
        (!this.scene || record.sceneName === this.scene) &&
        words.every((word) => haystack(record).includes(word))
      ).map((record) => record.key);
      this.at = Math.max(this.found.indexOf(before), 0);
      this.chosen = this.found[this.at] === before;
      this.legend = legendOf(this.found.map((number) => records[number]));
    },
    clear() {
      this.task = this.split = this.dataset = this.scene = this.text = "";
      this.onlyDoubtful = false;
    },
    toggleDoubtful() { this.onlyDoubtful = !this.onlyDoubtful; },
    get pressedDoubtful() { return String(this.onlyDoubtful); },
    get isAll() {
      return !FILTERS.some((name) => this[name]);
    },
    get isEmpty() { return this.found.length === 0; },
    showTask(event) {
      this.clear();
      this.task = event.currentTarget.dataset.task;
      this.show("records");
    },

    // Parts of the report.
    go(event) { this.show(event.currentTarget.dataset.view); },
    show(view) {
      this.view = view;
      window.scrollTo(0, 0);
    },
    currentIf(view) { return this.view === view ? "page" : null; },

    // Pages.
    get pageNumber() { return Math.floor(this.at / PAGE_SIZE); },
    get numPages() { return Math.max(Math.ceil(this.found.length / PAGE_SIZE), 1); },
    get isFirstPage() { return this.pageNumber === 0; },
    get isLastPage() { return this.pageNumber === this.numPages - 1; },
    get page() {
      const start = this.pageNumber * PAGE_SIZE;
      return this.found.slice(start, start + PAGE_SIZE).map((number) => records[number]);
    },
    get countText() {
      const all = records.length.toLocaleString("en");
      return this.isAll ? `${all} records` : `${this.found.length.toLocaleString("en")} of ${all} records`;
    },
    get rangeText() {
      const start = this.pageNumber * PAGE_SIZE;
      const end = Math.min(start + PAGE_SIZE, this.found.length);
      return this.isEmpty ? "" : `showing ${start + 1}-${end} of ${this.found.length.toLocaleString("en")}`;
    },
    get pageText() { return `page ${this.pageNumber + 1} of ${this.numPages}`; },
    previousPage() { this.turn(-1); },
    nextPage() { this.turn(1); },
    turn(step) {
      const number = this.pageNumber + step;
      if (number < 0 || number >= this.numPages) return;
      this.at = number * PAGE_SIZE;
      this.chosen = false;
      window.scrollTo(0, 0);
    },

    // The chosen record.
    get current() { return this.isOpen && !this.isEmpty ? records[this.found[this.at]] : null; },
    get currentLegend() { return this.current ? legendOf([this.current]) : []; },
    get positionText() {
      return `${(this.at + 1).toLocaleString("en")} of ${this.found.length.toLocaleString("en")}`;
    },
    get isFirst() { return this.at === 0; },
    get isLast() { return this.at === this.found.length - 1; },
    cardClass(record) {
      return {
        single: record.images.length === 1,
        chosen: this.chosen && record.key === this.found[this.at],
      };
    },
    next() { this.step(1); },
    previous() { this.step(-1); },
    step(by) {
      const at = this.chosen ? this.at + by : this.at;
      if (at < 0 || at >= this.found.length) return;
      this.choose(at);
      if (!this.isOpen) return;
      this.replaceAddress(this.current.link);
      this.$refs.dialog.scrollTop = 0;
    },
    choose(at) {
      this.at = at;
      this.chosen = true;
      if (!this.reach()) this.$nextTick(() => this.reach()); // on a page that is not there yet
    },
    reach() {
      const card = document.getElementById(records[this.found[this.at]].anchor);
      card?.scrollIntoView({ block: "nearest" });
      if (!this.isOpen) card?.focus({ preventScroll: true });
      return card;
    },

    // The large view. Its address is the record's; that of the list is one step back.
    open(record) {
      if (!this.isOpen) history.pushState({ aboveList: true }, "", record.link);
      this.display(record);
    },
    display(record) {
      this.choose(this.found.indexOf(record.key));
      this.isOpen = true;
      if (!this.$refs.dialog.open) this.$refs.dialog.showModal();
    },
    close() { this.$refs.dialog.close(); },
    closeOutside(event) { if (event.target === this.$refs.dialog) this.close(); },
    closed() {
      if (this.isOpen && history.state?.aboveList) history.back();
      else this.replaceAddress(this.filterHash);
      this.isOpen = false;
      this.choose(this.at);
    },
    zoom(event) { // to the image's own pixels, twice its size at least; the place clicked stays
      const picture = event.currentTarget;
      const frame = picture.parentElement;
      const box = picture.getBoundingClientRect();
      const [x, y] = event.detail // a key has no place
        ? [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
        : [0.5, 0.5];
      const isZoomed = frame.classList.toggle("zoomed");
      const width = Math.max(2 * frame.clientWidth, picture.querySelector("img").naturalWidth);
      picture.style.width = isZoomed ? `${width}px` : "";
      frame.scrollTo(
        x * (picture.offsetWidth - frame.clientWidth),
        y * (picture.offsetHeight - frame.clientHeight),
      );
    },

    // The address: a record's id, or filters.
    get filterHash() {
      const set = FILTERS.filter((name) => this[name]).map((name) => [name, String(this[name])]);
      return set.length ? `#${new URLSearchParams(set)}` : "";
    },
    replaceAddress(hash) {
      // Without a hash the whole path: an empty address would leave the old hash.
      history.replaceState(history.state, "", hash || location.pathname + location.search);
    },
    followHash() {
      const hash = location.hash.slice(1);
      let id = hash;
      try { id = decodeURIComponent(hash); } catch { /* no id, then */ }
      const number = numberById.get(id);
      if (number !== undefined) this.followRecord(records[number]);
      else this.followFilters(new URLSearchParams(hash));
    },
    followRecord(record) {
      this.view = "records";
      if (!this.found.includes(record.key)) {
        this.clear();
        this.filter();
      }
      this.$nextTick(() => {
        this.display(record);
        this.replaceAddress(record.link); // which the new filters have replaced
      });
    },
    followFilters(told) {
      for (const name of FILTERS) {
        if (name === "onlyDoubtful") this[name] = told.get(name) === "true";
        else this[name] = told.get(name) ?? "";
      }
      if (!this.isAll) this.view = "records";
      if (this.isOpen) {
        this.isOpen = false;
        this.close();
      }
    },

    // Pictures and points.
    picturesOf(record, large) {
      return record.images.map((_, number) => pictureOf(record, number, large));
    },
    fallBack(event) { // the images themselves are elsewhere: their small copies will do
      const { small } = event.target.dataset;
      if (event.target.getAttribute("src") !== small) event.target.src = small;
    },
    partsOf,
    togglePoints() { this.showPoints = !this.showPoints; },
    get pressed() { return String(this.showPoints); },

    key(event) {
      const typing = event.target.matches("input, select, textarea");
      if (this.view !== "records" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      const onButton = event.target.matches("button, a, summary");
      const actions = {
        ArrowRight: () => this.next(),
        ArrowLeft: () => this.previous(),
        j: () => this.next(),
        k: () => this.previous(),
        p: () => this.togglePoints(),
        "/": () => { if (!this.isOpen) document.getElementById("filter-text").focus(); },
        Enter: () => {
          if (!onButton && this.chosen && !this.isOpen) this.open(records[this.found[this.at]]);
        },
      };
      if (!(event.key in actions)) return;
      actions[event.key]();
      if (event.key !== "Enter") event.preventDefault();
    },
  }));
});
