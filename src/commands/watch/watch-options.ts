import { existsSync, realpathSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { pickMetrics, type Metrics } from '../../repository/versions/metrics.ts'
import type { RetentionPolicy } from '../../repository/versions/retention.ts'
import { folderOfMetrics, namedPart, onlyNew } from '../../repository/watch/checkpoint.ts'
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

export interface Measured {
  metrics: Metrics
  /** The path in the version of the file or folder that the metrics belong to, if that is known. */
  checkpoint: string | undefined
}

/**
 * Reads the metrics of a version from the names of its new files and from --metrics-from. The last written file
 * overrides earlier ones, and the file of --metrics-from overrides all.
 */
export function metricsReader({ metricsFrom, metricPattern }: WatchOptions): (scan: Scan, reporter: Reporter) => Promise<Measured> {
  const inName = metricPattern === undefined ? () => ({}) : parseNamePattern(metricPattern)
  return async (scan, reporter) => {
    const { fresh } = scan
    const newest = metricsFrom?.includes('*') === true ? newestMatch(metricsFrom, fresh) : undefined
    const file = newest?.localPath ?? (metricsFrom?.includes('*') === true ? undefined : metricsFrom)
    if (file !== undefined && !existsSync(file)) reporter.note(`${file} does not exist, so this version has no metrics from it`)
    const named = fresh.findLast(({ path }) => Object.keys(inName(path)).length > 0)
    const metrics = pickMetrics({
      ...fresh.reduce<Metrics>((all, { path }) => ({ ...all, ...inName(path) }), {}),
      ...(file === undefined ? {} : await readMetricsFile(file, problem => reporter.warn(problem))),
    })
    if (Object.keys(metrics).length === 0) return { metrics, checkpoint: undefined }
    const folder = newest && folderOfMetrics(newest.path, metricsFrom!)
    return { metrics, checkpoint: folder ?? (named ? namedPart(named.path, inName) : onlyNew(scan)) }
  }
}

/** The last written of a version's new files whose path matches. Older files say nothing about this version. */
function newestMatch(pattern: string, fresh: Scan['fresh']): Scan['fresh'][number] | undefined {
  let above = pattern
  while (above.includes('*')) above = dirname(above)
  // the paths of a source have their links resolved
  const folder = existsSync(above) ? realpathSync.native(above) : resolve(above)
  const relativePattern = relative(above, pattern)
  return fresh.findLast(({ localPath }) => matchesName(relativePattern, relative(folder, localPath)))
}

export function parsePid(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text))
    throw new AppError('usage', `--until-exit ${text} isn't a process id.`, { hint: 'Use the number from $! or process.pid.' })
  return Number(text)
}
