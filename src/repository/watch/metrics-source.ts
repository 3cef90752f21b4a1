import { readFile, open, stat } from 'node:fs/promises'
import { AppError, errnoOf } from '../../util/errors.ts'
import { isMetricName, pickMetrics, type Metrics } from '../metrics.ts'

/** Of a long file of metrics this much of its end is read. */
const TAIL_BYTES = 256 * 1024

/** The metrics that stand last in a JSON or JSONL file; none where it is not there, or nothing in it is complete. */
export async function readMetricsFile(path: string): Promise<Metrics> {
  try {
    const { size } = await stat(path)
    return metricsOf(size <= TAIL_BYTES ? await readFile(path, 'utf8') : await readTail(path, size))
  } catch (error) {
    if (errnoOf(error) !== undefined) return {} // not written yet, or just being replaced
    throw error
  }
}

async function readTail(path: string, size: number): Promise<string> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, size - TAIL_BYTES)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}

/** One object, or a list of them, or one a line: the last one counts that is complete and has a number. */
export function metricsOf(text: string): Metrics {
  const whole = parse(text)
  const records = whole === undefined ? text.split('\n').map(parse) : Array.isArray(whole) ? (whole as unknown[]) : [whole]
  for (const record of records.reverse()) {
    if (typeof record !== 'object' || record === null || Array.isArray(record)) continue
    const metrics = pickMetrics(record)
    if (Object.keys(metrics).length > 0) return metrics
  }
  return {}
}

/** JSON, also as Python writes it, with NaN and Infinity for numbers that are none. */
function parse(text: string): unknown {
  if (text.trim() === '') return undefined
  const numbers = text.replace(/("(?:[^"\\]|\\.)*")|-?\b(?:NaN|Infinity)\b/g, (_, quoted?: string) => quoted ?? 'null')
  try {
    return JSON.parse(numbers) as unknown
  } catch {
    return undefined
  }
}

/** Reads metrics out of names of files. */
export type NamePattern = (path: string) => Metrics

/**
 * A regular expression whose groups hold numbers: named groups name the metrics; a single group without a name is called as the word in front of it, so
 * `val_loss=([0-9.]+)` finds val_loss.
 */
export function parseNamePattern(text: string): NamePattern {
  const fail = (why: string): never => {
    throw new AppError('usage', `--metric-pattern ${text} can't be used: ${why}.`, {
      hint: "Write a regular expression with a group for the number, e.g. --metric-pattern 'val_loss=([0-9.]+)'.",
    })
  }
  let pattern: RegExp
  try {
    pattern = new RegExp(text)
  } catch {
    return fail('it is no regular expression')
  }
  const groups = new RegExp(`${text}|`).exec('')!
  const named = Object.keys(groups.groups ?? {})
  const word = /([A-Za-z_]\w*?)[=:_-]?\((?!\?)/.exec(text)?.[1]
  if (named.length === 0 && groups.length !== 2) return fail('it has no group, or several without names')
  if (named.length === 0 && word === undefined) return fail('no word stands in front of its group to name the metric')
  if (!named.every(isMetricName)) return fail('a group has a name that no metric can have')
  return path => {
    const found = pattern.exec(path)
    if (!found) return {}
    const values = named.length > 0 ? named.map(name => [name, found.groups![name]] as const) : [[word!, found[1]] as const]
    return pickMetrics(Object.fromEntries(values.map(([name, value]) => [name, numberAtStart(value ?? '')])))
  }
}

/** `0.31.` is what `[0-9.]+` finds in `val_loss=0.31.ckpt`. */
function numberAtStart(text: string): number {
  const number = /^[-+]?(\d+(\.\d+)?|\.\d+)(e[-+]?\d+)?/i.exec(text)?.[0]
  return number === undefined ? NaN : Number(number)
}
