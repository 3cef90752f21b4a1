// Draws the charts of docs/benchmarks.md from the tables in it: `npm run bench:chart`. With `-- --check` it writes
// nothing, and fails if a chart does not show what the tables say.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'

const DOCS = new URL('../docs/', import.meta.url)
const OWN_COLOUR = '#c0392b'
const TIMES = [0.5, 1, 2, 5, 10, 20, 50, 100]
const STYLE = { background: 'white', color: '#222', fontSize: '12px' }

type Cell = [head: string, text: string]

/** The part of an SVG element that is used here; its own type needs the types of a browser. */
interface Figure {
  setAttribute: (name: string, value: string) => void
  outerHTML: string
}

/** The rows of the Markdown table whose first head is `first`, cells by their heads. */
function tableOf(text: string, first: string): Map<string, string>[] {
  const lines = text.split('\n')
  const at = lines.findIndex(line => line.startsWith(`| ${first} `))
  if (at < 0) throw new Error(`there is no table of ${first}`)
  const cells = (line: string): string[] =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map(cell => cell.replaceAll('\\|', '|').replaceAll('**', '').trim())
  const heads = cells(lines[at]!)
  const end = lines.findIndex((line, i) => i > at && !line.startsWith('|'))
  return lines.slice(at + 2, end).map(line => new Map(cells(line).map((cell, i) => [heads[i]!, cell])))
}

const isOwn = (tool: string): boolean => tool.startsWith('colab-escape')

interface Stored {
  tool: string
  version: string
  megabytes: number
}

/** MB that each tool stores after each version. */
function storedChart(report: string, document: unknown): Figure {
  const rows = tableOf(report, 'MB stored after').flatMap((row): Stored[] => {
    const [[, tool], ...versions] = [...row] as [Cell, ...Cell[]]
    return versions.map(([version, megabytes]) => ({ tool, version: version.replace(/ .*/, ''), megabytes: Number(megabytes) }))
  })
  const last = rows.filter(({ version }) => version === rows.at(-1)!.version)
  const line = { x: 'version', y: 'megabytes', z: 'tool', stroke: (row: Stored) => (isOwn(row.tool) ? OWN_COLOUR : '#888') }
  return Plot.plot({
    document,
    style: STYLE,
    width: 760,
    height: 420,
    marginRight: 250,
    x: { type: 'point', label: null },
    y: { label: 'MB stored', grid: true, zero: true },
    marks: [
      Plot.line(rows, { ...line, strokeWidth: (row: Stored) => (isOwn(row.tool) ? 2.5 : 1.5), marker: 'dot' }),
      Plot.text(spread(last), {
        x: 'version',
        y: 'place',
        text: (row: Stored) => `${row.tool}: ${row.megabytes}`,
        fill: (row: Stored) => (isOwn(row.tool) ? OWN_COLOUR : '#444'),
        textAnchor: 'start',
        dx: 8,
      }),
    ],
  }) as Figure
}

/** Adds places for labels: each at least its height away from the next one. */
function spread(rows: readonly Stored[]): (Stored & { place: number })[] {
  const apart = Math.max(...rows.map(({ megabytes }) => megabytes)) / 26
  let before = -Infinity
  return [...rows]
    .sort((a, b) => a.megabytes - b.megabytes)
    .map(row => ({ ...row, place: (before = Math.max(row.megabytes, before + apart)) }))
}

/** How many times as long as colab-escape each tool takes on the emulated Drive. */
function driveChart(report: string, document: unknown): Figure {
  const rows = tableOf(report, 'work').flatMap(row => {
    const [[, work], [, own], ...peers] = [...row] as [Cell, Cell, ...Cell[]]
    const seconds = (cell: string): number => Number(/^([\d.]+) s/.exec(cell)?.[1] ?? NaN)
    const timed = peers.filter(([, cell]) => Number.isFinite(seconds(cell)))
    return timed.map(([tool, cell]) => ({ work, tool, times: seconds(cell) / seconds(own) }))
  })
  const works = [...new Set(rows.map(({ work }) => work))]
  const tools = [...new Set(rows.map(({ tool }) => tool))]
  const at = { x: 'times', y: 'work', fontSize: 10, fill: '#444' }
  return Plot.plot({
    document,
    style: STYLE,
    width: 760,
    height: 60 + 38 * works.length,
    marginLeft: 190,
    marginTop: 46,
    x: { type: 'log', domain: [0.4, 120] },
    y: { type: 'band', label: null, domain: works },
    symbol: { legend: false, domain: tools },
    marks: [
      Plot.gridX(TIMES, { stroke: '#222' }),
      Plot.axisX(TIMES, { anchor: 'top', text: TIMES.map(String), label: 'seconds, as a multiple of what colab-escape takes' }),
      Plot.ruleX([1], { stroke: OWN_COLOUR, strokeWidth: 2 }),
      Plot.dot(rows, { x: 'times', y: 'work', symbol: 'tool', stroke: '#333', fill: 'white', r: 4.5 }),
      // all labels of a tool are on one side of its marks, so that close ones can be told apart
      ...tools.map((tool, i) =>
        Plot.text(
          rows.filter(row => row.tool === tool),
          { ...at, text: () => shortName(tool), dy: i % 2 === 0 ? -11 : 12 },
        ),
      ),
    ],
  }) as Figure
}

const shortName = (tool: string): string => tool.split(/[ ,]/)[0]!

/** Both charts, by the names of their files. */
function charts(): { path: string; svg: string }[] {
  const report = readFileSync(new URL('benchmarks.md', DOCS), 'utf8')
  const { document } = parseHTML('<html><body></body></html>') as { document: unknown }
  const drawn = { 'benchmarks-stored.svg': storedChart(report, document), 'benchmarks-drive.svg': driveChart(report, document) }
  return Object.entries(drawn).map(([name, figure]) => {
    figure.setAttribute('xmlns', 'http://www.w3.org/2000/svg')
    return { path: fileURLToPath(new URL(name, DOCS)), svg: `${figure.outerHTML}\n` }
  })
}

export function writeCharts(): void {
  for (const { path, svg } of charts()) writeFileSync(path, svg)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (!process.argv.includes('--check')) writeCharts()
  else {
    for (const { path, svg } of charts()) {
      if (readFileSync(path, 'utf8') === svg) continue
      console.error(`${path} does not show what the tables say: run npm run bench:chart`)
      process.exitCode = 1
    }
  }
}
