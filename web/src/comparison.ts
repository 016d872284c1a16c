// Before and after, under a divider that is dragged or moved by keys.

export class Comparison {
  private readonly before: HTMLCanvasElement;
  private readonly after: HTMLCanvasElement;
  private readonly range: HTMLInputElement;

  /**
   * @param stage fills the room that there is.
   * @param figure inside, as large as the picture: two canvases, .before and .after, and a range.
   */
  constructor(
    private readonly stage: HTMLElement,
    private readonly figure: HTMLElement,
  ) {
    this.before = figure.querySelector<HTMLCanvasElement>("canvas.before")!;
    this.after = figure.querySelector<HTMLCanvasElement>("canvas.after")!;
    this.range = figure.querySelector<HTMLInputElement>("input")!;
    this.range.addEventListener("input", () => this.place(this.range.valueAsNumber));
    figure.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      figure.setPointerCapture(event.pointerId);
      this.range.focus({ preventScroll: true });
      this.follow(event);
      event.preventDefault();
    });
    figure.addEventListener("pointermove", (event) => {
      if (figure.hasPointerCapture(event.pointerId)) this.follow(event);
    });
    new ResizeObserver(() => this.fit()).observe(stage);
    this.place(50);
  }

  private follow({ clientX }: PointerEvent): void {
    const { left, width } = this.figure.getBoundingClientRect();
    this.place((100 * (clientX - left)) / width);
  }

  /** Moves the divider to so many hundredths of the width. */
  place(position: number): void {
    this.range.valueAsNumber = Math.min(Math.max(position, 0), 100);
    const placed = this.range.valueAsNumber;
    this.range.setAttribute("aria-valuetext", `${Math.round(placed)} % before`);
    this.figure.style.setProperty("--divider", `${placed}%`);
    this.figure.classList.toggle("no-before", placed < 12);
    this.figure.classList.toggle("no-after", placed > 88);
  }

  private fit(): void {
    const { width, height } = this.before;
    const room = this.stage.getBoundingClientRect();
    const scale = Math.min(room.width / width, room.height / height);
    this.figure.style.width = `${Math.floor(width * scale)}px`;
    this.figure.style.height = `${Math.floor(height * scale)}px`;
  }

  showBefore(bitmap: ImageBitmap): void {
    draw(this.before, bitmap);
    // Of the photo before.
    this.after.width = this.after.height = 0;
    this.fit();
  }

  showAfter(bitmap: ImageBitmap): void {
    draw(this.after, bitmap);
  }
}

function draw(canvas: HTMLCanvasElement, bitmap: ImageBitmap): void {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d")!.drawImage(bitmap, 0, 0);
  bitmap.close();
}
