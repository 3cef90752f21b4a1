import { AppError } from '../../util/errors.ts'

/** The metrics of a version by name: `val_loss`, `val/acc`. */
export type Metrics = Record<string, number>

const MAX_METRICS = 100
const NAME = /^[A-Za-z_][\w./-]{0,63}$/
const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i
/** What programs print for a number that they do not have: nothing, or one of these. */
const NO_NUMBER = /^([-+]?(nan|inf|infinity|1\.#(ind|inf|qnan))|none|null|n\/?a)?$/i

/** A name of a metric: a letter, then letters, digits and `_ . / -`, 64 characters at most. */
export function isMetricName(name: string): boolean {
  return NAME.test(name)
}

/**
 * `val_loss=0.31`, once for each metric. `onNoNumber` gets the texts that name a metric and give it no finite number,
 * such as `val_loss=nan`: a training that has gone wrong must not cost the version.
 */
export function parseMetrics(texts: readonly string[], onNoNumber: (text: string) => void = () => undefined): Metrics {
  const names = new Set<string>()
  const metrics = new Map<string, number>()
  for (const text of texts) {
    const equals = text.indexOf('=')
    const name = text.slice(0, Math.max(0, equals))
    const value = text.slice(equals + 1)
    if (equals < 0 || !isMetricName(name))
      throw new AppError('usage', `--metric ${text} needs a name and a number.`, {
        hint: 'Write name=number, e.g. --metric val_loss=0.31; a name has letters, digits, and _ . / - after the first letter.',
      })
    if (names.has(name)) throw new AppError('usage', `--metric ${name} is given twice.`, { hint: 'Give each metric one value.' })
    names.add(name)
    if (NUMBER.test(value) && Number.isFinite(Number(value))) metrics.set(name, Number(value))
    else if (NUMBER.test(value) || NO_NUMBER.test(value.trim())) onNoNumber(text)
    else throw new AppError('usage', `--metric ${text} has no number.`, { hint: 'Write it in digits, e.g. val_loss=0.31 or lr=1e-4.' })
  }
  if (metrics.size > MAX_METRICS)
    throw new AppError('usage', `${metrics.size} metrics are more than the ${MAX_METRICS} that a version can have.`, {
      hint: 'Push them as a file, and keep only the few that you choose versions by.',
    })
  return Object.fromEntries(metrics)
}

/** Picks the metrics of a JSON object: finite numbers with valid names, the first hundred. */
export function pickMetrics(record: object): Metrics {
  const numbers = Object.entries(record).filter(([name, value]) => isMetricName(name) && Number.isFinite(value)) as [string, number][]
  return Object.fromEntries(numbers.slice(0, MAX_METRICS))
}

/** Says whether the lowest or the highest value is the best. */
export type Direction = 'min' | 'max'

export interface BestSpec {
  metric: string
  direction: Direction
}

/** Parses `best:val_loss`, `best:min:val_loss` and `best:max:acc`. Undefined for any other text. */
export function parseBest(text: string): BestSpec | undefined {
  const [, direction, metric] = /^best:(?:(min|max):)?([^:]+)$/.exec(text) ?? []
  if (metric === undefined || !isMetricName(metric)) return undefined
  return { metric, direction: direction === 'max' ? 'max' : 'min' }
}

/** The versions with a finite value of the metric, the best first. Among equal values the newer version comes first. */
export function rankByMetric<T>(
  newestFirst: readonly T[],
  metricsOf: (version: T) => Readonly<Metrics>,
  { metric, direction }: BestSpec,
): T[] {
  const sign = direction === 'max' ? -1 : 1
  // the sort is stable
  return newestFirst
    .filter(version => Object.hasOwn(metricsOf(version), metric) && Number.isFinite(metricsOf(version)[metric]))
    .sort((a, b) => sign * (metricsOf(a)[metric]! - metricsOf(b)[metric]!))
}
