import * as zlib from 'node:zlib'
import { dataOffset, isStored, type ZipMember } from '../chunking/layouts/zip.ts'
import { readExactly } from '../chunking/layouts/span.ts'
import { groupBy } from '../util/group-by.ts'
import type { ByteSource, Tensor } from './tensor.ts'
import { checksItself } from './zip-members.ts'

/** Bytes per read. */
const STEP_BYTES = 8 * 1024 * 1024
/** A member is read once more for its checksum. One that is longer than this would cost too much. */
const MAX_MEMBER_BYTES = 256 * 1024 * 1024
/** The share of a member that its chosen tensors make up at least: no large member is read for a small tensor. */
const MIN_SHARE = 0.5

/**
 * The same tensors; those are damaged that lie in a member of a zip archive that is not what its checksum says. These
 * are members that hold more than one tensor, such as a storage of PyTorch with several views, or the file of HDF5 in a
 * model of Keras. (Where a tensor fills a member, reading it compares the checksum.) `chosen` are all tensors that will
 * be read. Time: linear in the bytes of these. Memory: a few MiB.
 */
export async function withCheckedMembers(chosen: readonly Tensor[], source: ByteSource): Promise<Tensor[]> {
  const why = new Map<Tensor, string>()
  const inside = chosen.filter(tensor => tensor.member !== undefined && tensor.unread === undefined && !checksItself(tensor))
  for (const tensors of groupBy(inside, tensor => tensor.member!.headerAt).values()) {
    const member = tensors[0]!.member!
    if (!isStored(member) || member.crc === 0 || member.length > MAX_MEMBER_BYTES) continue
    const bytes = tensors.reduce((sum, tensor) => (tensor.sharedWith === undefined ? sum + tensor.bytes : sum), 0)
    if (bytes < MIN_SHARE * member.length || (await sumOf(member, source)) === member.crc) continue
    for (const tensor of tensors) why.set(tensor, `${JSON.stringify(member.name)}, which it lies in, is not what its checksum says`)
  }
  return chosen.map(tensor => (why.has(tensor) ? { ...tensor, unread: why.get(tensor)!, isDamaged: true } : tensor))
}

async function sumOf(member: ZipMember, { size, read }: ByteSource): Promise<number> {
  const start = await dataOffset(member, size, read)
  let sum = 0
  for (let done = 0; done < member.length; done += STEP_BYTES)
    sum = zlib.crc32(await readExactly(read, start + done, Math.min(STEP_BYTES, member.length - done)), sum)
  return sum
}
