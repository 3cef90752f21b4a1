import { describe, expect, test } from 'vitest'
import { type PackBuffer, PackBuffers } from '../../../src/util/memory/pack-buffers.ts'
import { seededRandom } from '../../helpers/seeded.ts'

const AREA_BYTES = 64 * 1024

const startOf = ({ bytes }: PackBuffer): number => bytes.byteOffset
const areaOf = ({ bytes }: PackBuffer): ArrayBufferLike => bytes.buffer

function takeAndCut(rooms: PackBuffers, room: number, pack: number): PackBuffer {
  const taken = rooms.take(room)
  taken.cut(pack)
  return taken
}

describe('rooms for packs', () => {
  test('that are small lie in one area, one after the other', () => {
    const rooms = new PackBuffers(AREA_BYTES)
    const first = takeAndCut(rooms, 30_000, 10_000)
    const second = takeAndCut(rooms, 30_000, 20_000)
    const third = rooms.take(30_000)
    expect([startOf(first), startOf(second), startOf(third)]).toEqual([0, 10_000, 30_000])
    expect(new Set([first, second, third].map(areaOf)).size).toBe(1)
  })

  test('take an area again only when all in it are released', () => {
    const rooms = new PackBuffers(AREA_BYTES)
    const first = takeAndCut(rooms, 20_000, 20_000)
    const second = takeAndCut(rooms, 20_000, 20_000)
    const elsewhere = takeAndCut(rooms, 60_000, 60_000)
    expect(areaOf(elsewhere)).not.toBe(areaOf(first))
    second.release()
    const third = rooms.take(60_000)
    expect([areaOf(first), areaOf(elsewhere)]).not.toContain(areaOf(third))
    third.cut(60_000)
    first.release()
    const fourth = rooms.take(60_000)
    expect([areaOf(fourth), startOf(fourth)]).toEqual([areaOf(first), 0])
  })

  test('never overlap, in whatever order they are released, and do not take more memory than that needs', () => {
    const random = seededRandom(1)
    const rooms = new PackBuffers(AREA_BYTES)
    const held: { room: PackBuffer; mark: number }[] = []
    const areas = new Set<ArrayBufferLike>()
    for (let mark = 1; mark <= 3_000; mark++) {
      const room = rooms.take(1 + Math.floor(random() * AREA_BYTES))
      const length = Math.ceil(random() * room.bytes.length)
      room.bytes.fill(mark % 251, 0, length)
      room.cut(length)
      areas.add(areaOf(room))
      held.push({ room: { ...room, bytes: room.bytes.subarray(0, length) }, mark: mark % 251 })
      while (held.length > 4) {
        const [{ room: released, mark: expected }] = held.splice(Math.floor(random() * held.length), 1) as [(typeof held)[0]]
        expect(released.bytes.every(byte => byte === expected)).toBe(true)
        released.release()
      }
    }
    // four that are held, and the one being filled
    expect(areas.size).toBeLessThanOrEqual(5)
  })
})
