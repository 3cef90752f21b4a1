import { statSync, type BigIntStats } from 'node:fs'
import { dirname } from 'node:path'
import { AppError } from '../util/errors.ts'
import { fsPath } from '../util/paths.ts'

/** A file or folder that the program itself works with. It may be absent. */
export interface OwnFile {
  /** Absolute, with links resolved. */
  path: string
  /** What it is, for messages: `the store itself`. */
  what: string
}

type Identity = Pick<BigIntStats, 'dev' | 'ino'>

/**
 * Recognizes what the program itself works with (the store, its cache, the saved login), also under another path: a
 * folder may be mounted in two places.
 */
export class OwnFiles {
  private readonly files: readonly (OwnFile & Partial<Identity>)[]

  constructor(files: readonly OwnFile[]) {
    this.files = files.map(file => ({ ...file, ...identityOf(file.path) }))
  }

  /** What a file or folder is; undefined if it is none of the program's own. `stats` are not those of a symlink. */
  whatIs(localPath: string, { dev, ino }: Identity): string | undefined {
    for (const own of this.files)
      // some file systems give every file the inode 0
      if (own.path === localPath || (own.ino === ino && own.dev === dev && ino !== 0n)) return own.what
    return undefined
  }

  /** Throws `usage` if a path is one of them or lies in one. */
  refuse(localPath: string): void {
    for (let path = localPath; ; path = dirname(path)) {
      const what = this.whatIs(path, identityOf(path) ?? { dev: 0n, ino: 0n })
      if (what !== undefined)
        throw new AppError('usage', `${localPath} is ${path === localPath ? what : `inside ${what}`}.`, {
          hint: 'Name another folder or file.',
        })
      if (dirname(path) === path) return
    }
  }
}

function identityOf(path: string): Identity | undefined {
  try {
    const { dev, ino } = statSync(fsPath(path), { bigint: true })
    return { dev, ino }
  } catch {
    return undefined
  }
}
