import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { readAt } from '../../local/read-at.ts'
import { AppError, errnoOf, messageOf } from '../../util/errors.ts'
import { isMetricName, pickMetrics, type Metrics } from '../versions/metrics.ts'

/** Bytes that are read from the end of a long JSONL file. */
const TAIL_BYTES = 256 * 1024
/** A file that is a single JSON value is read whole, which takes about ten times as much memory for a moment. */
const MAX_WHOLE_BYTES = 16 * 1024 * 1024

/**
 * Reads the last metrics of a JSON or JSONL file; none if the file is missing or holds no complete record. `onProblem`
 * gets a message if the file can't be read, or would have to be read whole and is too long for that.
 */
export async function readMetricsFile(path: string, onProblem: (problem: string) => void): Promise<Metrics> {
  const none = (why: string): Metrics => (onProblem(`no metrics are read from ${path}: ${why}`), {})
  let file: FileHandle | undefined
  try {
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    const stats = await file.stat()
    if (!stats.isFile()) return none('it is not a regular file')
    const { size } = stats
    const end = (await readAt(file, Math.max(0, size - TAIL_BYTES), TAIL_BYTES)).toString()
    if (size <= TAIL_BYTES) return metricsOf(end)
    const found = lastOf(linesOf(end))
    if (found !== undefined) return found
    if (size <= MAX_WHOLE_BYTES) return metricsOf((await readAt(file, 0, size)).toString())
    return none(
      `no line at its end has any, and as a single JSON value only files up to ${MAX_WHOLE_BYTES / 1024 / 1024} MiB are read. Write an object a line (JSONL), or the last metrics alone to a file of their own`,
    )
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return {} // not written yet, or just being replaced
    if (errnoOf(error) !== undefined) return none(messageOf(error))
    throw error
  } finally {
    await file?.close()
  }
}

/**
 * Finds metrics in one object, an array of objects, or one object a line. The last complete one with a number counts,
 * also if the number is NaN or infinite, which is no value. What a later one has that is no number has no value either:
 * an earlier value would not be that of this version.
 */
export function metricsOf(text: string): Metrics {
  const whole = parse(text)
  if (whole === undefined) return lastOf(linesOf(text)) ?? {}
  if (Array.isArray(whole)) return lastOf(whole) ?? {}
  return metricsOfLastStep(whole) ?? lastOf([whole]) ?? {}
}

const linesOf = (text: string): unknown[] => text.split('\n').map(parse)

function lastOf(records: readonly unknown[]): Metrics | undefined {
  let later: object = {}
  for (let i = records.length - 1; i >= 0; i--) {
    const record = records[i]
    if (!isObject(record)) continue
    later = { ...record, ...later }
    if (hasNumber(record)) return pickMetrics(Object.fromEntries(Object.entries(later).filter(([name]) => Object.hasOwn(record, name))))
  }
  return undefined
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value)

const hasNumber = (record: object): boolean =>
  Object.entries(record).some(([name, value]) => isMetricName(name) && typeof value === 'number')

/**
 * Joins the records about the last step in the `log_history` of a `trainer_state.json` of Hugging Face's Trainer.
 * There, training and evaluation are separate records.
 */
function metricsOfLastStep(state: unknown): Metrics | undefined {
  const history: unknown = isObject(state) && 'log_history' in state ? state.log_history : undefined
  if (!Array.isArray(history)) return undefined
  const records: { step?: unknown }[] = history.filter(isObject).filter(hasNumber)
  const step = records.at(-1)?.step
  const last = step === undefined ? records.slice(-1) : records.filter(record => record.step === step)
  return last.length === 0 ? undefined : pickMetrics(Object.assign({}, ...last) as object)
}

/** Parses JSON, also as Python writes it, with NaN and Infinity. Undefined if it is neither. */
function parse(text: string): unknown {
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text) as unknown
  } catch {
    return parsePythonJson(text)
  }
}

function parsePythonJson(text: string): unknown {
  try {
    // JSON.parse reads 1e999 as Infinity, which stands for every number that is no value. A text that does not end is
    // matched too, and the rest of the file is then not searched again from each of its quotes.
    return JSON.parse(
      text.replace(/("[^"\\]*(?:\\[^][^"\\]*)*"?)|-?\b(?:NaN|Infinity)\b/g, (_, quoted?: string) => quoted ?? '1e999'),
    ) as unknown
  } catch {
    return undefined
  }
}

/** Finds the metrics in the path of a file; NaN for one that is named and has no number. */
export type NamePattern = (path: string) => Metrics

/**
 * Parses a regular expression whose groups match numbers. A named group is the metric of that name. A single group
 * without a name is named by the word in front of it: `val_loss=([0-9.]+)` finds val_loss.
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
    return fail("it isn't a regular expression")
  }
  const groups = new RegExp(`${text}|`).exec('')!
  const named = Object.keys(groups.groups ?? {})
  const word = /([A-Za-z_]\w*?)[=:_-]?\((?!\?)/.exec(text)?.[1]
  if (named.length === 0 && groups.length !== 2) return fail('it has no group, or several without names')
  if (named.length === 0 && word === undefined) return fail('no word in front of its group names the metric')
  if (!named.every(isMetricName)) return fail('a group has a name that no metric can have')
  return path => {
    const found = pattern.exec(path)
    if (!found) return {}
    const values = named.length > 0 ? named.map(name => [name, found.groups![name]] as const) : [[word!, found[1]] as const]
    return Object.fromEntries(values.flatMap(([name, value]) => (value === undefined ? [] : [[name, numberAtStart(value)]])))
  }
}

/** A group may match more than a number: `[0-9.]+` matches `0.31.` in `val_loss=0.31.ckpt`. */
function numberAtStart(text: string): number {
  const number = /^[-+]?(\d+(\.\d+)?|\.\d+)(e[-+]?\d+)?/i.exec(text)?.[0]
  return number === undefined ? NaN : Number(number)
}
