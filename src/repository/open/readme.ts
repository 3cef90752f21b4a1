import { messageOf } from '../../util/errors.ts'
import { README_NAME } from '../format/object-names.ts'
import type { RepositoryContext } from './open.ts'

const textOf = (isEncrypted: boolean): string => `WHAT THIS FOLDER IS

This folder is a colab-escape repository. It keeps versions of folders and files
that somebody has pushed: compressed, and with equal pieces stored only once.
So none of the files in here is one of the stored files by itself.

PLEASE LEAVE THE FILES ALONE

Don't rename, edit or delete single files in here, and put no others here: a
version may need any of them. You may copy or move the folder as a whole. To
free space use the commands "colab-escape forget" and "colab-escape prune".

HOW TO GET THE DATA OUT

With the program colab-escape, which runs on Node.js. The first command lists
what is stored, the second one restores it:

  colab-escape log --store <this folder>
  colab-escape pull <name> --store <this folder>

For a folder on Google Drive write drive:Its/Path for <this folder>, or the
address that the browser shows for it.

Without the program: its package holds docs/rescue.py, one file that needs
Python 3.8 and zstd (a Python module or the command), and a copy of this folder
on a disk:

  python3 rescue.py <this folder> list
  python3 rescue.py <this folder> restore <version> <new folder>

Without that too: docs/format.md, in the same package, describes every byte of
these files. ${isEncrypted ? ENCRYPTED : PLAIN}
`

const PLAIN = `The content is compressed, not encrypted: whoever can read this
folder can read what is stored in it.`

const ENCRYPTED = `The content is encrypted: nobody can read it without
a password or a recovery code of this repository.`

/** Nobody waits longer (ms) for a file that no program needs. */
const LONGEST_MS = 10_000

/**
 * Tells a person who finds the folder of a new repository what it is. No program reads it, so it does not matter if it
 * can't be written, or if there is another file of this name.
 */
export async function writeReadme({ storage, reporter, signal }: RepositoryContext, isEncrypted: boolean): Promise<void> {
  const limit = AbortSignal.timeout(LONGEST_MS)
  try {
    await storage.put(README_NAME, new TextEncoder().encode(textOf(isEncrypted)), {
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    })
  } catch (error) {
    reporter.detail(`${README_NAME} was not written to ${storage.location} (${messageOf(error)})`)
  }
}
