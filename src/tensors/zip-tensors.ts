import { isHdf5 } from '../chunking/layouts/magic.ts'
import { readPickle } from '../chunking/layouts/pickle.ts'
import { MAX_TENSORS, refuse, refuseKind } from '../chunking/layouts/span.ts'
import { torchTensors } from '../chunking/layouts/torch-tensors.ts'
import { TORCH_FOLDERS } from '../chunking/layouts/zip-tensors.ts'
import { isStored, readMembers, type ZipMember } from '../chunking/layouts/zip.ts'
import { AppError } from '../util/errors.ts'
import { readHdf5File } from './hdf5-tensors.ts'
import { readNpy } from './numpy-tensors.ts'
import { type ByteSource, type Tensor, type TensorFile, unreadTensor } from './tensor.ts'
import { tensorsOf } from './torch-tensors.ts'
import { openMember, readMember } from './zip-members.ts'

const MAX_PICKLE_BYTES = 16 * 1024 * 1024

/**
 * A zip archive with the tensors of torch.save, or the arrays of numpy.savez. Time and memory: linear in the number and
 * the length of its members' headers.
 */
export async function readZip(subject: string, source: ByteSource): Promise<TensorFile> {
  const members = await readMembers(source.size, source.read)
  if (members.some(member => isStored(member) && member.length !== member.storedLength)) refuse('a stored member changes its size')
  const pickle = members.find(({ name }) => /(^|\/)data\.pkl$/.test(name))
  if (pickle !== undefined) {
    const root = pickle.name.slice(0, -'data.pkl'.length)
    return { format: 'PyTorch', metadata: new Map(), tensors: await readTorch(members, root, source) }
  }
  const arrays = members.filter(({ name }) => name.endsWith('.npy'))
  if (arrays.length > 0) return { format: 'NumPy', metadata: new Map(), tensors: await readArrays(arrays, source) }
  const model = members.find(({ name }) => /\.(h5|hdf5)$/.test(name))
  if (model !== undefined && isStored(model)) {
    const inside = await openMember(model, source)
    if (isHdf5(await inside.read(0, 8))) {
      const file = await readHdf5File(inside)
      return { ...file, tensors: file.tensors.map(tensor => ({ ...tensor, member: model })) }
    }
  }
  throw new AppError('unsupported', `${subject} is a zip archive without tensors of a known format.`, {
    hint: 'Archives of torch.save, numpy.savez and Keras are supported, if their members are stored.',
  })
}

/** The tensors of `data.pkl`, and those of `constants.pkl`, where TorchScript keeps the weights of a frozen model. */
async function readTorch(members: ZipMember[], root: string, source: ByteSource): Promise<Tensor[]> {
  const byName = new Map(members.map(member => [member.name, member]))
  const order = byName.get(`${root}byteorder`)
  const bigEndian = order?.length === 3 && Buffer.from(await readMember(order, source)).toString() === 'big'
  const tensors: Tensor[] = []
  for (const folder of TORCH_FOLDERS) {
    const pickle = byName.get(`${root}${folder}.pkl`)
    if (pickle === undefined) continue
    if (pickle.length > MAX_PICKLE_BYTES) refuseKind('its pickle is too long')
    const described = torchTensors(readPickle(await readMember(pickle, source)).value)
    const placeOf = (key: string) => {
      const member = byName.get(`${root}${folder}/${key}`) ?? refuse(`storage ${key} is missing`)
      return { offset: 0, length: member.length, member }
    }
    const found = tensorsOf(described, placeOf, bigEndian)
    tensors.push(...(folder === 'data' ? found : found.map(tensor => ({ ...tensor, name: `${folder}.${tensor.name}` }))))
  }
  return tensors.length <= MAX_TENSORS ? tensors : refuse('it has too many tensors')
}

async function readArrays(members: ZipMember[], source: ByteSource): Promise<Tensor[]> {
  const tensors: Tensor[] = []
  for (const member of members) {
    const name = member.name.replace(/\.npy$/, '')
    try {
      tensors.push({ ...(await readNpy(name, await openMember(member, source))), member })
    } catch (error) {
      // the other arrays can be read
      tensors.push(unreadTensor(name, error))
    }
  }
  return tensors
}
