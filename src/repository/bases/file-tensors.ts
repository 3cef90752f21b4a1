import { closeSync, openSync } from 'node:fs'
import { findTensors, type TensorSpan } from '../../chunking/tensor-layout.ts'
import { AS_LISTED, readAtSync } from '../../local/read-at.ts'
import { readSmallFile } from '../../local/small-file.ts'
import type { WalkedEntry } from '../../local/walk.ts'
import { errnoOf } from '../../util/errors.ts'
import { fsPath } from '../../util/paths.ts'

/** Finds the tensors in a file by its headers. Undefined if it has none or can't be read now. */
export async function spansOf(file: WalkedEntry): Promise<TensorSpan[] | undefined> {
  let fd: number | undefined
  try {
    const opened = openSync(fsPath(file.localPath), AS_LISTED)
    fd = opened
    return await findTensors(file.fingerprint.size, async (offset, length) => readAtSync(opened, offset, length), {
      path: file.localPath,
      readBeside: readSmallFile,
    })
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return undefined
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}
