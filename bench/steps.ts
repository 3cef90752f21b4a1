import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { measure, sizeOf } from './measure.ts'
import { table } from './report.ts'
import type { Tool } from './tools.ts'

/** Tools that keep versions: the cost of a step is what they store of a second push. */
const KEEPERS = /^(node|restic-max|borg$)/

/** A path in the pushed folder and the file that goes there, or a function that makes that file. */
type Content = [path: string, file: string | (() => string)]

/** A step that adds or overwrites a file: `before` is pushed first, then `after` is put over it. */
interface StepCase {
  title: string
  /** The goal: the most percent of the last file of `after` that the step may store. */
  target: number | undefined
  before: Content[]
  after: Content[]
}

function casesOf(corpus: string, work: string): StepCase[] {
  const tuned = (type: string, step: number): string =>
    join(corpus, 'finetune', type, `step-${step}.${type === 'adam' ? 'pt' : 'safetensors'}`)
  const first = (title: string, type: string, target: number | undefined): StepCase => ({
    title: `${title}, first version`,
    target,
    before: [],
    after: [['model', tuned(type, 0)]],
  })
  const next = (title: string, type: string, target: number): StepCase => ({
    title: `${title}, next step of fine-tuning`,
    target,
    before: [['model', tuned(type, 0)]],
    after: [['model', tuned(type, 1)]],
  })
  const beside = (title: string, type: string): StepCase => ({
    title: `${title} beside the fp32 original`,
    target: 2,
    before: [['original', tuned('f32', 1)]],
    after: [['export', tuned(type, 1)]],
  })
  const csv = join(corpus, 'v1', 'data', 'orders.csv')
  const container: Content[] = [
    ['model.pt', join(corpus, 'v4', 'runs', 'epoch_3.pt')],
    ['model.safetensors', join(corpus, 'v4', 'export', 'model-f32.safetensors')],
  ]
  const cases: StepCase[] = [
    first('fp32', 'f32', 84),
    first('bf16', 'bf16', 67),
    first('fp16', 'f16', undefined),
    first('with the state of Adam', 'adam', 83),
    next('fp32', 'f32', 60),
    next('bf16', 'bf16', 20),
    next('fp16', 'f16', 35),
    next('with the state of Adam', 'adam', 72),
    beside('bf16', 'bf16'),
    beside('fp16', 'f16'),
    { title: 'weights of a .pt, once more as .safetensors', target: 1, before: container.slice(0, 1), after: container.slice(1) },
    {
      title: 'a CSV with one row changed in its middle',
      target: 1,
      before: [['a.csv', csv]],
      after: [['a.csv', () => changedRow(csv, work)]],
    },
  ]
  return cases.filter(({ before, after }) => [...before, ...after].every(([, file]) => typeof file === 'function' || existsSync(file)))
}

function changedRow(csv: string, work: string): string {
  const text = readFileSync(csv, 'latin1')
  const at = text.indexOf('\n', text.length / 2) + 1
  const changed = join(work, 'changed.csv')
  writeFileSync(changed, `${text.slice(0, at)}9${text.slice(at + 1)}`, 'latin1')
  return changed
}

export interface StepsOptions {
  corpus: string
  tools: readonly Tool[]
  /** A folder for temporary data. */
  work: string
  log: (line: string) => void
}

export interface StepResult {
  title: string
  target: number | undefined
  /** Bytes of the file that the step adds. */
  bytes: number
  /** Bytes that the step adds to the store. */
  stored: Map<Tool, number>
}

/** Measures each step once: sizes do not vary. */
export async function measureSteps({ corpus, tools, work, log }: StepsOptions): Promise<StepResult[]> {
  const results: StepResult[] = []
  const scratch = join(work, 'time')
  for (const { title, target, before, after } of casesOf(corpus, work)) {
    const result: StepResult = { title, target, bytes: 0, stored: new Map() }
    for (const tool of tools.filter(({ id, version }) => version !== undefined && KEEPERS.test(id))) {
      const place = join(work, 'step', tool.id)
      const source = join(place, 'source')
      mkdirSync(source, { recursive: true })
      if (tool.init) await measure(tool.init(place), scratch)
      const put = ([path, file]: Content): void => {
        mkdirSync(dirname(join(source, path)), { recursive: true })
        cpSync(typeof file === 'function' ? file() : file, join(source, path))
        result.bytes = sizeOf(join(source, path))
      }
      before.forEach(put)
      if (before.length > 0) await measure(tool.push(place, source, 1), scratch)
      const already = sizeOf(tool.store(place))
      after.forEach(put)
      await measure(tool.push(place, source, 2), scratch)
      result.stored.set(tool, sizeOf(tool.store(place)) - already)
      rmSync(join(work, 'step'), { recursive: true })
    }
    log(`${title}: ${[...result.stored].map(([tool, bytes]) => `${tool.id} ${percent(bytes, result.bytes)} %`).join(', ')}`)
    results.push(result)
  }
  return results
}

const percent = (bytes: number, of: number): string => ((100 * bytes) / of).toFixed(1)

/** The results as Markdown. */
export function stepsTable(results: readonly StepResult[]): string {
  const tools = [...results[0]!.stored.keys()]
  const rows = results.map(({ title, target, bytes, stored }) => [
    title,
    (bytes / 1e6).toFixed(1),
    target === undefined ? '' : `<= ${target}`,
    ...tools.map(tool => percent(stored.get(tool)!, bytes)),
  ])
  return table(['% of it that a step adds to what is stored', 'MB', 'target', ...tools.map(({ label }) => label)], rows)
}
