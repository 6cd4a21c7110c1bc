import { clearInterval, setInterval } from "node:timers";
import { MultiBar, type SingleBar } from "cli-progress";
import { printable } from "./printable.ts";

/** One blob on its way. */
export interface Transfer {
  /** Says how many bytes of it have been sent, counted from its beginning. */
  update(bytes: number): void;
  /** It is there; or, with text, what became of it instead ("exists", "mounted"). */
  done(text?: string): void;
  /** It is not there, and why: "stopped", or "failed, " and a reason. */
  gaveUp(why: string): void;
}

/** How what is sent is shown. */
export interface Progress {
  /** @param bytesTotal undefined where the end is not known */
  begin(label: string, bytesTotal: number | undefined): Transfer;
  /** A line that stays. */
  line(text: string): void;
  /** Takes what moves off the screen. */
  close(): void;
}

interface Terminal extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
}

/**
 * Bars on a terminal, a bar for each blob with rate and time left; plain lines elsewhere: at the
 * beginning, every 10 s or 10 %, at the end. Quiet: only lines.
 * @param stream standard error, usually: results go to standard output
 */
export function progressTo(stream: Terminal, { isQuiet = false } = {}): Progress {
  if (isQuiet) return new QuietProgress(stream);
  return stream.isTTY === true ? new ProgressBars(stream) : new ProgressLines(stream);
}

const lineEveryMs = 10_000;
const rateSpanMs = 5000;

/** How fast bytes went in the last seconds. */
class Rate {
  readonly #beganMs = Date.now();
  #first: number | undefined;
  #seen: { ms: number; bytes: number }[] = [];

  update(bytes: number): void {
    const ms = Date.now();
    this.#first ??= bytes;
    // Bytes that are sent once more are no progress.
    this.#seen = this.#seen.filter((one) => ms - one.ms <= rateSpanMs && one.bytes <= bytes);
    this.#seen.push({ ms, bytes });
  }

  /** Bytes a second. */
  get now(): number {
    const [first] = this.#seen;
    const last = this.#seen.at(-1);
    if (first === undefined || last === undefined || last.ms === first.ms) return this.mean;
    return ((last.bytes - first.bytes) * 1000) / (Date.now() - first.ms);
  }

  /** Bytes a second from the beginning. */
  get mean(): number {
    const bytes = (this.#seen.at(-1)?.bytes ?? 0) - (this.#first ?? 0);
    return (bytes * 1000) / Math.max(Date.now() - this.#beganMs, 1);
  }

  get seconds(): number {
    return (Date.now() - this.#beganMs) / 1000;
  }
}

/** Bytes as people read them: 1.5 GiB. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Seconds as people read them: 1m05s. */
function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  const [minutes, hours] = [Math.floor(whole / 60), Math.floor(whole / 3600)];
  const two = twoDigits(hours === 0 ? whole % 60 : minutes % 60);
  return hours === 0 ? `${minutes}m${two}s` : `${hours}h${two}m`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}

function standing(rate: Rate, bytes: number, total: number | undefined): string {
  const speed = `${formatBytes(rate.now)}/s`;
  if (total === undefined) return `${formatBytes(bytes)}  ${speed}`;
  const left = rate.now > 0 ? formatSeconds((total - bytes) / rate.now) : "?";
  return `${formatBytes(bytes)} of ${formatBytes(total)}  ${speed}  ${left} left`;
}

/** What became of a transfer, for its last line. */
function ending(rate: Rate, bytes: number, text: string | undefined): string {
  if (text !== undefined) return text;
  const mean = bytes === 0 ? "" : `, ${formatBytes(rate.mean)}/s`;
  return `${formatBytes(bytes)} in ${formatSeconds(rate.seconds)}${mean}`;
}

const hidden: Transfer = {
  update: () => undefined,
  done: () => undefined,
  gaveUp: () => undefined,
};

class QuietProgress implements Progress {
  protected readonly stream: Terminal;

  constructor(stream: Terminal) {
    this.stream = stream;
  }

  begin(_label: string, _bytesTotal: number | undefined): Transfer {
    return hidden;
  }

  line(text: string): void {
    this.stream.write(`${printable(text)}\n`);
  }

  close(): void {}
}

class ProgressLines extends QuietProgress {
  override begin(label: string, bytesTotal: number | undefined): Transfer {
    const rate = new Rate();
    let bytes = 0;
    let toldMs = Date.now();
    let toldTenths = 0;
    this.line(`${label}: begins${bytesTotal === undefined ? "" : `, ${formatBytes(bytesTotal)}`}`);
    return {
      update: (sent) => {
        bytes = sent;
        rate.update(sent);
        const tenths = bytesTotal ? Math.floor((sent * 10) / bytesTotal) : 0;
        const isDue = Date.now() - toldMs >= lineEveryMs || tenths > toldTenths;
        // The end has a line of its own.
        if (!isDue || sent === bytesTotal) return;
        toldMs = Date.now();
        toldTenths = tenths;
        this.line(`${label}: ${standing(rate, sent, bytesTotal)}`);
      },
      done: (text) => this.line(`${label}: done, ${ending(rate, bytes, text)}`),
      gaveUp: (why) => this.line(`${label}: ${why}`),
    };
  }
}

/** Redraws of a bar that nothing was sent for: its rate falls. */
const redrawMs = 500;

class ProgressBars extends QuietProgress {
  #bars: MultiBar | undefined;
  #open = 0;

  override begin(label: string, bytesTotal: number | undefined): Transfer {
    const bars = this.#multiBar();
    const rate = new Rate();
    let bytes = 0;
    const text = () => ({ label, standing: standing(rate, bytes, bytesTotal) });
    const bar: SingleBar = bars.create(Math.max(bytesTotal ?? 1, 1), 0, text(), {
      format: bytesTotal === undefined ? "{label}  {standing}" : "{label} {bar} {standing}",
    });
    this.#open += 1;
    const draw = () => bar.update(bytesTotal === undefined ? 0 : bytes, text());
    const redraw = setInterval(draw, redrawMs).unref();
    const end = (line: string) => {
      clearInterval(redraw);
      bars.remove(bar);
      this.#open -= 1;
      this.line(line);
      if (this.#open === 0) this.close();
    };
    return {
      update: (sent) => {
        bytes = sent;
        rate.update(sent);
        draw();
      },
      done: (what) => end(`${label}  ${ending(rate, bytes, what)}`),
      gaveUp: (why) => end(`${label}  ${why}`),
    };
  }

  override line(text: string): void {
    if (this.#bars === undefined) super.line(text);
    else this.#bars.log(`${printable(text)}\n`);
  }

  override close(): void {
    this.#bars?.update();
    this.#bars?.stop();
    this.#bars = undefined;
  }

  #multiBar(): MultiBar {
    this.#bars ??= new MultiBar({
      stream: this.stream,
      barsize: 24,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      autopadding: true,
      hideCursor: true,
      clearOnComplete: true,
      gracefulExit: false,
    });
    return this.#bars;
  }
}
