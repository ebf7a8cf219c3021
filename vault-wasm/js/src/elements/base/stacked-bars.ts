import uPlot from "uplot";

const HEIGHT = 200;
/** Between two labels of the time axis, in pixels. */
const LABEL_SPACE = 72;
/** A digit of the axis' font, and the tick beside the label. */
const DIGIT = 7.5;
const TICK = 14;

export interface Stack {
  /** CSS colour. */
  readonly fill: string;
  /** One value per day. */
  readonly values: readonly number[];
}

export interface Chart {
  /** Starts of UTC days, in milliseconds since the epoch. */
  readonly days: readonly number[];
  /** From the bottom up. */
  readonly stacks: readonly Stack[];
  readonly day: (time: number) => string;
  readonly amount: (value: number) => string;
}

/** Bars by day, one upon the other, in `place`, as wide as that. Returns what takes them away. */
export function drawBars(place: HTMLElement, { days, stacks, day, amount }: Chart): () => void {
  const { color, fontFamily } = getComputedStyle(place);
  const grid = { stroke: "rgb(128 128 128 / 25%)", width: 1 };
  const axis = { stroke: color, ticks: grid, font: `12px ${fontFamily}` };
  const paths = uPlot.paths.bars?.({ size: [0.7, 24], radius: 0.1 });
  const totals = days.map((_, at) => stacks.reduce((total, { values }) => total + (values[at] ?? 0), 0));
  // The highest sum first: each lower one is drawn over it.
  const sums = stacks.map((_, top) => days.map((_, at) => stacks.slice(0, top + 1).reduce((total, { values }) => total + (values[at] ?? 0), 0))).reverse();
  const width = () => Math.max(place.clientWidth, 200);
  const plot = new uPlot(
    {
      width: width(),
      height: HEIGHT,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      legend: { show: false },
      cursor: { show: false },
      // Without any cost yet, a cent is the scale.
      scales: { y: { range: () => [0, Math.max(...totals) * 1.1 || 0.01] } },
      axes: [
        { ...axis, grid: { show: false }, space: LABEL_SPACE, values: (_, ticks) => ticks.map((seconds) => day(seconds * 1000)) },
        {
          ...axis,
          grid,
          size: (_, labels) => TICK + DIGIT * Math.max(0, ...(labels ?? []).map(({ length }) => length)),
          values: (_, ticks) => ticks.map(amount),
        },
      ],
      series: [
        {},
        ...sums.map((_, at) => ({ fill: stacks[stacks.length - 1 - at]?.fill ?? color, width: 0, ...(paths && { paths }), points: { show: false } })),
      ],
    },
    [days.map((time) => time / 1000), ...sums],
    place,
  );
  const resize = new ResizeObserver(() => plot.setSize({ width: width(), height: HEIGHT }));
  resize.observe(place);
  return () => {
    resize.disconnect();
    plot.destroy();
  };
}
