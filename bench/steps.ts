import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { measure, sizeOf } from './measure.mjs'
import { table } from './report.mjs'

/** Tools that keep versions; what they store of a second push is what the step costs. */
const KEEPERS = /^(node|restic-max|borg$)/

/**
 * What one file more costs, or a file that is overwritten: `before` is pushed first, then `after` put over it; both are lists of `[path, file]`, the last of
 * `after` being what the step is about. `target`: at most so many percent of it.
 */
function casesOf(corpus, work) {
  const tuned = (type, step) => join(corpus, 'finetune', type, `step-${step}.${type === 'adam' ? 'pt' : 'safetensors'}`)
  const first = (what, type, target) => ({ what: `${what}, first version`, target, before: [], after: [['model', tuned(type, 0)]] })
  const next = (what, type, target) => ({
    what: `${what}, next step of fine-tuning`,
    target,
    before: [['model', tuned(type, 0)]],
    after: [['model', tuned(type, 1)]],
  })
  const beside = (what, type) => ({
    what: `${what} beside the fp32 original`,
    target: 2,
    before: [['original', tuned('f32', 1)]],
    after: [['export', tuned(type, 1)]],
  })
  const csv = join(corpus, 'v1', 'data', 'orders.csv')
  const container = [
    ['model.pt', join(corpus, 'v4', 'runs', 'epoch_3.pt')],
    ['model.safetensors', join(corpus, 'v4', 'export', 'model-f32.safetensors')],
  ]
  return [
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
    { what: 'weights of a .pt, once more as .safetensors', target: 1, before: container.slice(0, 1), after: container.slice(1) },
    {
      what: 'a CSV with one row changed in its middle',
      target: 1,
      before: [['a.csv', csv]],
      after: [['a.csv', () => changedRow(csv, work)]],
    },
  ].filter(({ before, after }) => [...before, ...after].every(([, file]) => typeof file === 'function' || existsSync(file)))
}

function changedRow(csv, work) {
  const text = readFileSync(csv, 'latin1')
  const at = text.indexOf('\n', text.length / 2) + 1
  const changed = join(work, 'changed.csv')
  writeFileSync(changed, `${text.slice(0, at)}9${text.slice(at + 1)}`, 'latin1')
  return changed
}

/** A step is measured once: sizes do not vary. */
export async function measureSteps({ corpus, tools, work, log }) {
  const results = []
  const scratch = join(work, 'time')
  for (const { what, target, before, after } of casesOf(corpus, work)) {
    const result = { what, target, bytes: 0, stored: new Map() }
    for (const tool of tools.filter(({ id, version }) => version !== undefined && KEEPERS.test(id))) {
      const place = join(work, 'step', tool.id)
      const source = join(place, 'source')
      mkdirSync(source, { recursive: true })
      if (tool.init) await measure(tool.init(place), scratch)
      const put = ([path, file]) => {
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
    log(`${what}: ${[...result.stored].map(([tool, bytes]) => `${tool.id} ${percent(bytes, result.bytes)} %`).join(', ')}`)
    results.push(result)
  }
  return results
}

const percent = (bytes, of) => ((100 * bytes) / of).toFixed(1)

/** The results as Markdown. */
export function stepsTable(results) {
  const tools = [...results[0].stored.keys()]
  const rows = results.map(({ what, target, bytes, stored }) => [
    what,
    (bytes / 1e6).toFixed(1),
    target === undefined ? '' : `<= ${target}`,
    ...tools.map(tool => percent(stored.get(tool), bytes)),
  ])
  return table(['% of it that a step adds to what is stored', 'MB', 'target', ...tools.map(({ label }) => label)], rows)
}
