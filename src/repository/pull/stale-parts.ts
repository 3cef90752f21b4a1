import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { isPartName } from '../../local/part-names.ts'
import { Breather } from '../../util/event-loop.ts'
import { fsPath } from '../../util/paths.ts'

/** Part files that lie in some folders, and their bytes. A finished pull has none of its own. */
export async function findStaleParts(folders: Iterable<string>): Promise<{ files: number; bytes: number }> {
  const found = { files: 0, bytes: 0 }
  const turns = new Breather()
  for (const folder of folders) {
    if (turns.isDue()) await turns.breathe()
    for (const name of namesIn(folder)) {
      const stats = lstatSync(fsPath(join(folder, name)), { throwIfNoEntry: false })
      if (!stats?.isFile()) continue
      found.files++
      found.bytes += stats.size
    }
  }
  return found
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(fsPath(folder)).filter(isPartName)
  } catch {
    return [] // what can't be listed is not told
  }
}
