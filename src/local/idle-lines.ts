import { decodeFileName } from '../util/paths.ts'
import { literalFolders, whyNeverMatches } from './ignore-pattern.ts'

interface IdleLine {
  /** The path of the ignore file in the source. */
  file: string
  line: number
  text: string
  why: string
}

/** A line `!folder/name`: it has no effect if the folder is left out. */
interface TakingBack extends Omit<IdleLine, 'why'> {
  folders: string[]
}

/** At most so many lines are named; of so many, the folders are compared with all rules; of a line, so many folders. */
const SHOWN = 3
const MAX_COMPARED = 100
const MAX_FOLDERS = 50
const SHOWN_LENGTH = 60

/** Collects the lines of ignore files that have no effect, whatever is in the source. */
export class IdleLines {
  private readonly found: IdleLine[] = []
  private readonly takingBack: TakingBack[] = []

  /** `folder`: of the ignore file `file`. Time: linear in the length of the lines. */
  add(file: string, folder: string, lines: readonly string[]): void {
    for (const [i, text] of lines.entries()) {
      if (text.startsWith('#') || /^ *$/.test(text)) continue
      const why = whyNeverMatches(text)
      if (why !== undefined) this.found.push({ file, line: i + 1, text, why })
      else if (text.startsWith('!') && this.takingBack.length < MAX_COMPARED) {
        const folders = literalFolders(text, MAX_FOLDERS).map(names => decodeFileName(Buffer.from(names, 'latin1')))
        if (folders.length > 0)
          this.takingBack.push({ file, line: i + 1, text, folders: folders.map(path => (folder === '' ? path : `${folder}/${path}`)) })
      }
    }
  }

  /**
   * What a note says. Undefined if every line can have an effect. Call it when all ignore files are known. `isIgnored`:
   * whether one of them leaves a folder out; it is asked for a folder only if those above it are not.
   */
  describe(isIgnored: (folder: string) => boolean): string | undefined {
    const all = [...this.found]
    for (const { folders, ...line } of this.takingBack) {
      const out = folders.find(isIgnored)
      if (out !== undefined) all.push({ ...line, why: `the folder ${out} is left out, and nothing in such a folder can be taken back` })
    }
    if (all.length === 0) return undefined
    const texts = all.slice(0, SHOWN).map(({ file, line, text, why }) => {
      const shown = JSON.stringify(text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}...` : text)
      return `line ${line} of ${file}, ${shown}: ${why}`
    })
    const more = all.length > SHOWN ? `; and ${all.length - SHOWN} more` : ''
    return `${all.length === 1 ? 'a line that has' : 'lines that have'} no effect: ${texts.join('; ')}${more}`
  }
}
