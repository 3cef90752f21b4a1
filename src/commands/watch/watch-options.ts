import { existsSync, realpathSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import type { Level } from '../../compression/limits.ts'
import type { Metrics } from '../../repository/versions/metrics.ts'
import type { RetentionPolicy } from '../../repository/versions/retention.ts'
import { parseNamePattern, readMetricsFile } from '../../repository/watch/metrics-source.ts'
import type { Scan } from '../../repository/watch/scanner.ts'
import { AppError } from '../../util/errors.ts'
import { matchesName } from '../../util/name-pattern.ts'
import type { Reporter } from '../../util/reporter.ts'
import { parsePolicy, type RetentionOptions } from '../shared/retention-options.ts'

export interface WatchOptions extends Pick<RetentionOptions, 'keepLast' | 'keepBest'> {
  name?: string
  message?: string
  tag?: string[]
  exclude?: string[]
  level: Level
  /** False with --no-delta. */
  delta?: boolean
  every: string
  settle: string
  grace: string
  metricsFrom?: string
  metricPattern?: string
  statusFile?: string
  untilExit?: string
}

/** What of the older versions stays after each new one; undefined for all. */
export function parseRetention({ keepLast, keepBest = [], metricsFrom, metricPattern }: WatchOptions): RetentionPolicy | undefined {
  if (keepBest.length > 0 && metricsFrom === undefined && metricPattern === undefined)
    throw new AppError('usage', '--keep-best needs metrics, and nothing says where they are.', {
      hint: "Add --metrics-from metrics.jsonl, or --metric-pattern 'val_loss=([0-9.]+)' for metrics in names of files.",
    })
  return parsePolicy({ ...(keepLast === undefined ? {} : { keepLast }), keepBest })
}

/** Where the metrics of a version come from: the names of its new files, the one written last first, and a file, which has the last word. */
export function metricsReader({ metricsFrom, metricPattern }: WatchOptions): (scan: Scan, reporter: Reporter) => Promise<Metrics> {
  const inName = metricPattern === undefined ? () => ({}) : parseNamePattern(metricPattern)
  return async ({ fresh }, reporter) => {
    const file = metricsFrom?.includes('*') === true ? newestMatch(metricsFrom, fresh) : metricsFrom
    return {
      ...fresh.reduce<Metrics>((all, { path }) => ({ ...all, ...inName(path) }), {}),
      ...(file === undefined ? {} : await readMetricsFile(file, problem => reporter.warn(problem))),
    }
  }
}

/** Of a version's new files the one written last whose path matches: an older one tells nothing about this version. */
function newestMatch(pattern: string, fresh: Scan['fresh']): string | undefined {
  let above = pattern
  while (above.includes('*')) above = dirname(above)
  // paths of a source have no links in them
  const folder = existsSync(above) ? realpathSync.native(above) : resolve(above)
  const wanted = relative(above, pattern)
  return fresh.findLast(({ localPath }) => matchesName(wanted, relative(folder, localPath)))?.localPath
}

export function parsePid(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text))
    throw new AppError('usage', `--until-exit ${text} is no process id.`, { hint: 'Give the number that $! or process.pid tells.' })
  return Number(text)
}
