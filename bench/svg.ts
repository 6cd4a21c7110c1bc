/** The colors of all pictures: on a ground of their own, so that they can be read on any page. */
export const colors = {
  ground: "#ffffff",
  frame: "#d0d7de",
  text: "#1f2328",
  faint: "#59636e",
  line: "#8c959f",
  ahead: "#1a7f37",
  behind: "#bc4c00",
  series: ["#0969da", "#bc4c00", "#8250df", "#59636e"],
} as const;

/** Text for between tags and in attributes. */
function escape(content: string): string {
  return content
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/** How a text stands. */
export interface TextStyle {
  readonly anchor?: "start" | "middle" | "end";
  readonly color?: string;
  readonly size?: number;
  readonly isBold?: boolean;
}

export function text(x: number, y: number, content: string, style: TextStyle = {}): string {
  const { anchor = "start", color = colors.text, size = 13, isBold = false } = style;
  const weight = isBold ? ' font-weight="600"' : "";
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" fill="${color}" font-size="${size}"${weight}>${escape(content)}</text>`;
}

export function line(
  x1: number,
  y1: number,
  x2: number,
  y2: number,
  color: string,
  width = 1,
): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${color}" stroke-width="${width}"/>`;
}

export function rectangle(
  x: number,
  y: number,
  width: number,
  height: number,
  color: string,
): string {
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" rx="2" fill="${color}"/>`;
}

/** What a picture says above all: its title, and two lines of how it came to be. */
export function heading(title: string, lines: readonly [string, string]): string[] {
  const faint = { size: 11, color: colors.faint };
  return [
    text(20, 30, title, { size: 17, isBold: true }),
    ...lines.map((content, index) => text(20, 50 + 16 * index, content, faint)),
  ];
}

/** A whole picture of that size, with a title that is read out. */
export function picture(
  width: number,
  height: number,
  title: string,
  parts: readonly string[],
): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif">
<title>${escape(title)}</title>
<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="6" fill="${colors.ground}" stroke="${colors.frame}"/>
${parts.join("\n")}
</svg>
`;
}

/** Coordinates need no more than a tenth of a pixel. */
export function round(value: number): number {
  return Math.round(value * 10) / 10;
}
