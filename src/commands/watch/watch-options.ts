import { existsSync, realpathSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { pickMetrics, type Metrics } from '../../repository/versions/metrics.ts'
import type { RetentionPolicy } from '../../repository/versions/retention.ts'
import { parseNamePattern, readMetricsFile } from '../../repository/watch/metrics-source.ts'
import type { Scan } from '../../repository/watch/scanner.ts'
import { AppError } from '../../util/errors.ts'
import { matchesName } from '../../util/name-pattern.ts'
import type { Reporter } from '../../util/reporter.ts'
import { parsePolicy, type RetentionOptions } from '../shared/retention-options.ts'
import type { SaveOptions } from '../versions/save-version.ts'

export interface WatchOptions extends SaveOptions, Pick<RetentionOptions, 'keepLast' | 'keepBest'> {
  every: string
  settle: string
  grace: string
  metricsFrom?: string
  metricPattern?: string
  statusFile?: string
  untilExit?: string
  /** True with --background. */
  background?: boolean
  /** In the process that --background has started: the file for its state. */
  backgroundRecord?: string
}

/** The rules for older versions, applied after each new one; undefined when all are kept. */
export function parseRetention({ keepLast, keepBest = [], metricsFrom, metricPattern }: WatchOptions): RetentionPolicy | undefined {
  if (keepBest.length > 0 && metricsFrom === undefined && metricPattern === undefined)
    throw new AppError('usage', '--keep-best needs metrics, but no option says where they come from.', {
      hint: "Add --metrics-from metrics.jsonl, or --metric-pattern 'val_loss=([0-9.]+)' for metrics in file names.",
    })
  return parsePolicy({ ...(keepLast === undefined ? {} : { keepLast }), keepBest })
}

/**
 * Reads the metrics of a version from the names of its new files and from --metrics-from. The last written file
 * overrides earlier ones, and the file of --metrics-from overrides all.
 */
export function metricsReader({ metricsFrom, metricPattern }: WatchOptions): (scan: Scan, reporter: Reporter) => Promise<Metrics> {
  const inName = metricPattern === undefined ? () => ({}) : parseNamePattern(metricPattern)
  return async ({ fresh }, reporter) => {
    const file = metricsFrom?.includes('*') === true ? newestMatch(metricsFrom, fresh) : metricsFrom
    return pickMetrics({
      ...fresh.reduce<Metrics>((all, { path }) => ({ ...all, ...inName(path) }), {}),
      ...(file === undefined ? {} : await readMetricsFile(file, problem => reporter.warn(problem))),
    })
  }
}

/** The last written of a version's new files whose path matches. Older files say nothing about this version. */
function newestMatch(pattern: string, fresh: Scan['fresh']): string | undefined {
  let above = pattern
  while (above.includes('*')) above = dirname(above)
  // the paths of a source have their links resolved
  const folder = existsSync(above) ? realpathSync.native(above) : resolve(above)
  const relativePattern = relative(above, pattern)
  return fresh.findLast(({ localPath }) => matchesName(relativePattern, relative(folder, localPath)))?.localPath
}

export function parsePid(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text))
    throw new AppError('usage', `--until-exit ${text} isn't a process id.`, { hint: 'Use the number from $! or process.pid.' })
  return Number(text)
}
