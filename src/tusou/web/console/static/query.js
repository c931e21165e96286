// The picture that is searched for: shown, cropped by mouse or keys, made fit to be sent.
import { id } from "./dom.js";
import { say } from "./texts.js";

const SHOWN = 420; // longest side on the page
const LONGEST = 1600; // a longer side is sent smaller: features are taken from fewer pixels
const TAKEN = ["image/jpeg", "image/png"];
const STEP = 8;

export class Query {
  constructor(facts, changed) {
    this.facts = facts;
    this.canvas = id("crop");
    this.changed = changed;
    this.region = null;
    this.canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    this.canvas.addEventListener("pointermove", (event) => this.#drag(event));
    this.canvas.addEventListener("pointerup", () => this.#end());
    this.canvas.addEventListener("keydown", (event) => this.#typed(event));
  }

  // Raises where the file is no picture that the browser can show.
  async load(file) {
    const url = URL.createObjectURL(file);
    const image = new Image();
    image.src = url;
    try {
      await image.decode();
    } catch {
      URL.revokeObjectURL(url);
      throw new Error(say("query.unreadable"));
    }
    if (this.url) URL.revokeObjectURL(this.url);
    Object.assign(this, { url, image, file, region: null });
    this.scale = Math.min(1, SHOWN / Math.max(image.naturalWidth, image.naturalHeight));
    this.canvas.width = Math.max(1, Math.round(image.naturalWidth * this.scale));
    this.canvas.height = Math.max(1, Math.round(image.naturalHeight * this.scale));
    this.#draw();
  }

  whole() {
    this.region = null;
    this.#draw();
  }

  // What is sent: the file itself where it is taken as it is, otherwise what is drawn of it.
  async blob() {
    const { image, file, facts } = this;
    const longest = Math.max(image.naturalWidth, image.naturalHeight);
    const asItIs = !this.region && TAKEN.includes(file.type) && file.size < facts.mostBytes && longest <= facts.longestSide;
    if (asItIs) return file;
    const [x, y, width, height] = this.region ?? [0, 0, image.naturalWidth, image.naturalHeight];
    const scale = Math.min(1, LONGEST / Math.max(width, height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
    const pen = canvas.getContext("2d");
    pen.fillStyle = "white"; // what is transparent lies on white, as on the server
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(image, x, y, width, height, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.95));
  }

  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * this.image.naturalWidth;
    const y = ((event.clientY - box.top) / box.height) * this.image.naturalHeight;
    return [
      Math.min(Math.max(0, x), this.image.naturalWidth),
      Math.min(Math.max(0, y), this.image.naturalHeight),
    ];
  }

  #begin(event) {
    if (!this.image) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.from = this.#place(event);
    event.preventDefault();
    this.canvas.focus();
  }

  #drag(event) {
    if (!this.from) return;
    const [x, y] = this.#place(event);
    const [left, top] = this.from;
    this.region = [Math.min(x, left), Math.min(y, top), Math.abs(x - left), Math.abs(y - top)];
    this.#draw();
  }

  #end() {
    if (!this.from) return;
    this.from = null;
    // A click, or a slip of the hand, chooses nothing.
    if (this.region && Math.min(this.region[2], this.region[3]) * this.scale < 12) this.region = null;
    this.#draw();
    this.changed();
  }

  // Arrows move the region, with shift they change its size; Enter searches, Escape takes it all.
  #typed(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const { naturalWidth: width, naturalHeight: height } = this.image ?? {};
    if (event.key in moves) {
      const step = STEP / this.scale;
      const [dx, dy] = moves[event.key].map((part) => part * step);
      const now = this.region ?? [width / 4, height / 4, width / 2, height / 2];
      const fit = (value, most) => Math.min(Math.max(0, value), most);
      this.region = event.shiftKey
        ? [now[0], now[1], Math.max(step, Math.min(now[2] + dx, width - now[0])), Math.max(step, Math.min(now[3] + dy, height - now[1]))]
        : [fit(now[0] + dx, width - now[2]), fit(now[1] + dy, height - now[3]), now[2], now[3]];
      this.#draw();
    } else if (event.key === "Enter") {
      this.changed();
    } else if (event.key === "Escape") {
      this.whole();
      this.changed();
    } else {
      return;
    }
    event.preventDefault();
  }

  #draw() {
    const pen = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    pen.clearRect(0, 0, width, height);
    pen.drawImage(this.image, 0, 0, width, height);
    if (!this.region) return;
    const [x, y, w, h] = this.region.map((part) => part * this.scale);
    pen.fillStyle = "rgb(0 0 0 / 55%)";
    pen.beginPath();
    pen.rect(0, 0, width, height);
    pen.rect(x, y, w, h);
    pen.fill("evenodd");
    pen.strokeStyle = "white";
    pen.lineWidth = 3;
    pen.strokeRect(x, y, w, h);
    pen.strokeStyle = "#0d9488";
    pen.lineWidth = 1.5;
    pen.strokeRect(x, y, w, h);
  }
}
