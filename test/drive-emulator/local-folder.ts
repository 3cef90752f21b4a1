import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Caller } from './access.ts'
import type { Drive } from './drive.ts'
import { createFile } from './file-changes.ts'
import { FOLDER } from './file-store.ts'
import type { DriveFile } from './file-store.ts'

/** Drive allows names that a file system does not, and one name more than once. */
function localName(name: string, taken: ReadonlySet<string>): string {
  const clean = name.replace(/[/\0]/g, '_').replace(/^\.{0,2}$/, '_')
  const [, stem = clean, extension = ''] = /^(.+)(\.[^.]*)$/.exec(clean) ?? []
  let candidate = clean
  for (let n = 1; taken.has(candidate); n++) candidate = `${stem} (${n})${extension}`
  return candidate
}

/** Writes what is in a Drive folder, trash aside, as plain files: what a mount of that Drive shows. */
export async function exportFolder(drive: Drive, folder: DriveFile, path: string): Promise<void> {
  await mkdir(path, { recursive: true })
  const taken = new Set<string>()
  for (const file of drive.store.childrenOf(folder.id)) {
    if (file.trashed) continue
    const name = localName(file.name, taken)
    taken.add(name)
    const target = join(path, name)
    if (file.mimeType === FOLDER) await exportFolder(drive, file, target)
    else {
      await writeFile(target, file.content?.bytes ?? '')
      await utimes(target, file.modifiedTime / 1000, file.modifiedTime / 1000)
    }
  }
}

/** Makes a file in Drive of every file in a local folder, as a mount does that pushes what was written to it. */
export async function importFolder(drive: Drive, caller: Caller, path: string, parentId: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const source = join(path, entry.name)
    if (entry.isDirectory()) {
      const known = drive.store.childrenOf(parentId).find(file => file.name === entry.name && file.mimeType === FOLDER && !file.trashed)
      const folder = known ?? createFile(drive, caller, { name: entry.name, mimeType: FOLDER, parents: [parentId] })
      drive.conduct.settle()
      await importFolder(drive, caller, source, folder.id)
    } else if (entry.isFile()) {
      const bytes = await readFile(source)
      const modifiedTime = Math.floor((await stat(source)).mtimeMs)
      createFile(drive, caller, { name: entry.name, parents: [parentId], modifiedTime }, { bytes, type: 'application/octet-stream' })
    }
  }
}
