/**
 * An entry that can't be read, though others can. `isDamaged`: its bytes are wrong; else it needs what this program
 * does not have. The message is a clause about the entry: "its checksum is wrong".
 */
export class ZipEntryError extends Error {
  readonly isDamaged: boolean

  constructor(message: string, isDamaged: boolean, cause?: unknown) {
    super(message, { cause })
    this.isDamaged = isDamaged
  }
}

export function damagedEntry(why: string, cause?: unknown): ZipEntryError {
  return new ZipEntryError(why, true, cause)
}
