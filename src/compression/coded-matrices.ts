import type { NumberModel } from '../kernels/numbers.ts'
import { ByteReader, ByteWriter } from '../util/bytes.ts'
import { corrupt } from '../util/errors.ts'
import { classesModel } from './coded-floats.ts'
import { deflate, inflate } from './codecs.ts'

/** Filter id of blocks of floats whose contexts are what their rows and columns let expect. Permanent. */
export const FILTER_CODED_MATRICES = 13

/** Elements that follow each other in rows of equal length. The first and the last row may be incomplete. */
export interface Matrix {
  elements: number
  /** Elements of a row: at most all. */
  columns: number
  /** The column of the first element. */
  start: number
}

/** How a block of floats is coded. The matrices have all of its whole elements. */
export interface CodedMatrices {
  model: NumberModel
  matrices: readonly Matrix[]
}

const HEAD_BYTES = 5
const MATRIX_BYTES = 12
/** The parameters of a block have at most 1,024 bytes. */
const MAX_MATRICES = 84
/** Elements without rows are taken as rows of so many. */
const FLAT = 1024
/** The mean of so many elements of a row or a column is near enough. */
const SAMPLES = 64
/** About what a mean takes, in bits. */
const MEAN_BITS = 6
const SUBJECT = 'A block'

/** How many parameters filter 13 has, without the element type that may follow; undefined if there are too few. */
export function matrixParameterCount({ length }: Uint8Array): number | undefined {
  if (length < HEAD_BYTES + MATRIX_BYTES) return undefined
  return length - ((length - HEAD_BYTES) % MATRIX_BYTES === 1 ? 1 : 0)
}

/** Parameters of filter 13: `width, rotated, fine`, two bytes of `origin`, then `elements, columns, start` of each. */
export function codedMatricesParameters({ model: { width, mode, classes }, matrices }: CodedMatrices): Uint8Array {
  const parameters = Buffer.alloc(HEAD_BYTES + MATRIX_BYTES * matrices.length)
  parameters.set([width, mode === 'rotated' ? 1 : 0, classes.fine])
  parameters.writeUInt16LE(classes.kind === 'steps' ? classes.origin : 0, 3)
  for (const [i, { elements, columns, start }] of matrices.entries())
    [elements, columns, start].forEach((number, k) => parameters.writeUInt32LE(number, HEAD_BYTES + MATRIX_BYTES * i + 4 * k))
  return parameters
}

/** Reads them, for a block of so many bytes. Throws `corrupt` for parameters that filter 13 cannot have. */
export function readCodedMatrices(parameters: Uint8Array, plainLength: number): CodedMatrices {
  const own = matrixParameterCount(parameters)
  if (own !== undefined && (own - HEAD_BYTES) % MATRIX_BYTES === 0) {
    const [width, rotated, fine] = parameters as unknown as [number, number, number]
    const head = Buffer.from(parameters)
    const model = classesModel(width, rotated, fine, head.readUInt16LE(3))
    const matrices: Matrix[] = []
    for (let at = HEAD_BYTES; at < own; at += MATRIX_BYTES)
      matrices.push({ elements: head.readUInt32LE(at), columns: head.readUInt32LE(at + 4), start: head.readUInt32LE(at + 8) })
    const arePossible = matrices.every(({ elements, columns, start }) => columns >= 1 && columns <= elements && start < columns)
    if (model && arePossible && sumOf(matrices) === Math.floor(plainLength / width)) return { model, matrices }
  }
  throw corrupt(SUBJECT, `filter ${FILTER_CODED_MATRICES} cannot have the parameters [${parameters.subarray(0, 8).join(', ')}]`)
}

const sumOf = (matrices: readonly Matrix[]): number => matrices.reduce((sum, { elements }) => sum + elements, 0)

/** The columns of the matrix that has an element, and the elements of its tensor before it, or what is alike. */
export function rowsAt(matrices: readonly Matrix[], element: number): { columns: number; before: number } | undefined {
  let first = 0
  for (const { elements, columns, start } of matrices) {
    if (element < first + elements) return { columns, before: start + element - first }
    first += elements
  }
  return undefined
}

/** Rows that a matrix has elements of. */
const rowsOf = ({ elements, columns, start }: Matrix): number => Math.ceil((start + elements) / columns)

/** How many means matrices have: one for each row and each column. */
const meanCount = (matrices: readonly Matrix[]): number => matrices.reduce((sum, matrix) => sum + rowsOf(matrix) + matrix.columns, 0)

/**
 * Matrices for a block of `elements`, of those that are `known` to follow each other in it; 0 columns say that nothing
 * is known of the rows. Undefined if there are none, or too many.
 */
export function matricesOf(known: readonly Matrix[], elements: number): Matrix[] | undefined {
  const matrices: Matrix[] = []
  let isAny = false
  for (const matrix of known) {
    const isMatrix = matrix.columns > 1 && 2 * matrix.columns <= matrix.elements
    isAny ||= isMatrix
    const last = matrices.at(-1)
    if (isMatrix) matrices.push(matrix)
    else if (last?.columns === FLAT && last.start === 0 && last.elements % FLAT === 0) last.elements += matrix.elements
    else matrices.push({ elements: matrix.elements, columns: Math.min(FLAT, matrix.elements), start: 0 })
  }
  return isAny && matrices.length <= MAX_MATRICES && sumOf(matrices) === elements ? matrices : undefined
}

/**
 * A byte for each row and each column of each matrix. Those of its row and its column together are the class
 * that an element is expected in: the mean class of the row, and how far the column is from the means of its rows.
 */
export function meansOf(plain: Uint8Array, { model, matrices }: CodedMatrices): { means: Uint8Array; gain: number } {
  const { width, mode, classes } = model
  if (classes.kind !== 'steps') throw new RangeError('there are no such matrices')
  const rotation = mode === 'rotated' ? 1 : 0
  const means = new Uint8Array(meanCount(matrices))
  let gain = 0
  let first = 0
  let at = 0
  for (const matrix of matrices) {
    const length = rowsOf(matrix) + matrix.columns
    const shift = classes.fine - rotation - (8 * width - 16)
    gain += setMeans(means.subarray(at, at + length), matrix, {
      plain,
      width,
      first,
      magnitude: 0xffff >> rotation,
      shift,
      origin: classes.origin,
    })
    first += matrix.elements
    at += length
  }
  return { means, gain: gain / 8 }
}

/** The class of an element is `((its two highest bytes & magnitude) >> shift) - origin`. */
interface Classes {
  plain: Uint8Array
  width: number
  /** The first element of the matrix. */
  first: number
  magnitude: number
  shift: number
  origin: number
}

/** What a pass over a matrix finds, of about 64 elements of each row and each column. */
interface Sums {
  /** The mean of each row. */
  rows: Float64Array
  /** How far each column is from the means of its rows, on the average. */
  columns: Float64Array
  /** The mean of the share below. */
  middle: number
  /** Squared distances from that, from the means of rows, and from what row and column let expect; of a share. */
  alone: number
  inRows: number
  inBoth: number
  /** How many elements that share is. */
  samples: number
}

/**
 * Sets the means of one matrix. Those of rows or columns that do not gain what they take are all the same. Returns how
 * many bits they gain.
 */
function setMeans(means: Uint8Array, matrix: Matrix, classes: Classes): number {
  const { elements, columns } = matrix
  const found = sumsOf(matrix, classes)
  const count = found.rows.length
  // a code for a normal distribution takes the logarithm of its deviation; a class is wide itself
  const bits = (distances: number): number => (elements / 2) * Math.log2(distances / found.samples + 1 / 12)
  const usesRows = bits(found.alone) - bits(found.inRows) > MEAN_BITS * count
  const usesColumns = bits(found.inRows) - bits(found.inBoth) > MEAN_BITS * columns
  const least = usesColumns ? found.columns.reduce((a, b) => Math.min(a, b)) : 0
  for (let row = 0; row < count; row++) means[row] = toByte((usesRows ? found.rows[row]! : found.middle) + least)
  for (let column = 0; usesColumns && column < columns; column++) means[count + column] = toByte(found.columns[column]! - least)
  return (usesRows ? bits(found.alone) - bits(found.inRows) : 0) + (usesColumns ? bits(found.inRows) - bits(found.inBoth) : 0)
}

function sumsOf(matrix: Matrix, { plain, width, first, magnitude, shift, origin }: Classes): Sums {
  const { elements, columns, start } = matrix
  const count = rowsOf(matrix)
  const rows = new Float64Array(count)
  const ofColumns = new Float64Array(columns)
  /** The means of the rows that a column has a sample of, added up, and how many these are. */
  const expected = new Float64Array(columns)
  const counts = new Float64Array(columns)
  const down = Math.max(1, Math.floor(count / SAMPLES))
  const across = Math.max(1, Math.floor(columns / SAMPLES))
  let [samples, squares, ofSamples, inRows] = [0, 0, 0, 0]
  for (let row = 0; row < count; row++) {
    const begin = Math.max(0, row * columns - start)
    const end = Math.min(elements, (row + 1) * columns - start)
    const isWhole = row % down === 0
    const step = isWhole ? 1 : across
    // each row begins elsewhere, so that a column that is unlike the others is not in all of the samples
    const from = isWhole ? begin : begin + (row % Math.min(step, end - begin))
    let column = (from + start) % columns
    let [sum, ofSquares, number] = [0, 0, 0]
    for (let at = (first + from) * width + width - 1, stop = (first + end) * width; at < stop; at += step * width) {
      let c = ((((plain[at]! << 8) | plain[at - 1]!) & magnitude) >> shift) - origin
      c = c < 0 ? 0 : c > 254 ? 254 : c
      sum += c
      number++
      if (!isWhole) continue
      ofSquares += c * c
      ofColumns[column++]! += c
    }
    const mean = sum / number
    rows[row] = mean
    if (!isWhole) continue
    for (let i = (begin + start) % columns, stop = i + number; i < stop; i++) {
      expected[i]! += mean
      counts[i]!++
    }
    samples += number
    ofSamples += sum
    squares += ofSquares
    inRows += ofSquares - sum * mean
  }
  let inBoth = inRows
  for (let column = 0; column < columns; column++) {
    if (counts[column] === 0) continue
    const distance = ofColumns[column]! - expected[column]!
    inBoth -= distance ** 2 / counts[column]!
    ofColumns[column] = distance / counts[column]!
  }
  const middle = ofSamples / samples
  return { rows, columns: ofColumns, middle, alone: squares - ofSamples * middle, inRows, inBoth, samples }
}

const toByte = (mean: number): number => Math.min(255, Math.max(0, Math.round(mean)))

/** The context of each element: the sum of the means of its row and its column, at most 255. */
export function contextsOf({ matrices }: CodedMatrices, means: Uint8Array): Uint8Array {
  const contexts = new Uint8Array(sumOf(matrices))
  let to = 0
  let at = 0
  for (const matrix of matrices) {
    const { elements, columns, start } = matrix
    const rows = rowsOf(matrix)
    const ofColumns = means.subarray(at + rows, at + rows + columns)
    const isFlat = ofColumns.every(mean => mean === 0)
    const end = to + elements
    for (let row = 0, first = start; row < rows; row++, first = 0) {
      const mean = means[at + row]!
      const stop = Math.min(end, to + columns - first)
      if (isFlat) {
        contexts.fill(mean, to, stop)
        to = stop
      }
      for (let column = first; to < stop; column++, to++) {
        const sum = mean + ofColumns[column]!
        contexts[to] = sum > 255 ? 255 : sum
      }
    }
    at += rows + columns
  }
  return contexts
}

/** The means as they are stored: `varint length`, raw deflate. */
export function packMeans(means: Uint8Array): Uint8Array {
  const deflated = deflate(means)
  const out = new ByteWriter(deflated.length + 8)
  out.varint(deflated.length)
  out.put(deflated)
  return out.view()
}

/** Reads the means of these matrices, and how many bytes they take. Throws `corrupt` unless they are whole. */
export function unpackMeans(stored: Uint8Array, { matrices }: CodedMatrices): { means: Uint8Array; length: number } {
  const reader = new ByteReader(stored, SUBJECT)
  const deflated = reader.take(reader.varint(stored.length))
  return { means: inflate(deflated, meanCount(matrices)), length: reader.position }
}
