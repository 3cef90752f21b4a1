import { dirname } from 'node:path'
import { replaceFile } from '../../local/replace-file.ts'
import { messageOf } from '../../util/errors.ts'
import { makeFolder } from '../../util/file-system.ts'
import { fileNameFor } from '../../util/hash.ts'
import type { Reporter } from '../../util/reporter.ts'
import { readSmallFile } from '../../util/small-file.ts'

const MAX_BYTES = 1024
const LINE = /^[0-9a-f]{0,64}$/

export interface LineKey {
  /** The store's. */
  location: string
  name: string
  /** Absolute path of the folder or file on this machine. */
  source: string
}

/**
 * Which line of versions the folders of this machine continue: that of the version that was last pushed from a folder,
 * or pulled into it. What can't be noted in a file is known until the process ends.
 */
export class LineNotes {
  private readonly fileOf: (key: string) => string | undefined
  private readonly storeKey: (location: string) => string
  private readonly reporter: Reporter
  private readonly known = new Map<string, string>()

  /**
   * `fileOf`: the path of the file of a key, which is a file name. Undefined if nothing can be kept. `storeKey`: what
   * stands for the store of a location.
   */
  constructor(fileOf: (key: string) => string | undefined, storeKey: (location: string) => string, reporter: Reporter) {
    this.fileOf = fileOf
    this.storeKey = storeKey
    this.reporter = reporter
  }

  /** Undefined if this machine has neither pushed the folder nor pulled into it, as far as it knows. */
  read(about: LineKey): string | undefined {
    const key = this.keyOf(about)
    const known = this.known.get(key)
    const file = this.fileOf(key)
    if (known !== undefined || file === undefined) return known
    try {
      const line = readSmallFile(file, { maxBytes: MAX_BYTES, mustBeOwn: true }).toString().trim()
      return LINE.test(line) ? line : undefined
    } catch {
      return undefined
    }
  }

  async write(about: LineKey, line: string): Promise<void> {
    if (this.read(about) === line) return
    const key = this.keyOf(about)
    this.known.set(key, line)
    const file = this.fileOf(key)
    if (file === undefined) return
    try {
      makeFolder(dirname(file), { mode: 0o700 })
      await replaceFile(file, `${line}\n`)
    } catch (error) {
      this.reporter.detail(`the note ${file} can't be written (${messageOf(error)})`)
    }
  }

  private keyOf({ location, name, source }: LineKey): string {
    return fileNameFor(JSON.stringify([this.storeKey(location), name, source]))
  }
}
