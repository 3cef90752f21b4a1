import { isLog } from '../../local/log-files.ts'
import { foldersAbove } from '../../util/paths.ts'
import type { NamePattern } from './metrics-source.ts'
import type { Scan } from './scanner.ts'

/** The file or folder in whose name a pattern finds metrics: the outermost one. */
export function namedPart(path: string, inName: NamePattern): string {
  return [...foldersAbove(path), path].find(part => Object.keys(inName(part)).length > 0) ?? path
}

/** What a file of metrics belongs to: the folder with the last `*` in its pattern. Undefined if no folder has one. */
export function folderOfMetrics(path: string, pattern: string): string | undefined {
  const after = pattern.split('/').reverse()
  const star = after.findIndex((part, i) => i > 0 && part.includes('*'))
  return star < 0 ? undefined : path.split('/').slice(0, -star).join('/')
}

/** The only new file of a version, or the folder that holds all new ones. Undefined if it has several new ones. */
export function onlyNew({ fresh }: Scan): string | undefined {
  const paths = fresh.map(({ path }) => path).filter(path => !isLog(path))
  const [first = '', ...others] = paths
  return others.length === 0
    ? first || undefined
    : foldersAbove(first).findLast(folder => others.every(path => path.startsWith(`${folder}/`)))
}
