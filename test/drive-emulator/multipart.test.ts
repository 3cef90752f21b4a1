import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseMultipart } from './multipart.ts'

const build = (boundary: string, media: Uint8Array, newline = '\r\n') =>
  Buffer.concat([
    Buffer.from([`--${boundary}`, 'Content-Type: application/json; charset=UTF-8', '', '{"name":"x"}', `--${boundary}`].join(newline)),
    Buffer.from(['', 'Content-Type: a/b', '', ''].join(newline)),
    media,
    Buffer.from(`${newline}--${boundary}--${newline}`),
  ])

describe('multipart/related', () => {
  it('gives back the content byte for byte, boundaries inside it or not', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .constantFrom('\r\n', '--', '--b', '\r\n--b', '\r\n--bxy\r\n', '\r\n--bxy', '--b--', '\n--b\n', '\r')
        .map(text => Buffer.from(text)),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
        const media = Buffer.concat(pieces)
        const parts = parseMultipart('multipart/related; boundary=bxyz', build('bxyz', media))
        expect(parts.media.equals(media)).toBe(true)
        expect(parts.metadata.toString()).toBe('{"name":"x"}')
        expect(parts.mediaType).toBe('a/b')
      }),
    )
  })

  it('takes bare line feeds, as Google does: its Python client sends them', () => {
    const media = Buffer.from('a\r\n\n--c\nb\n')
    const parts = parseMultipart('multipart/related; boundary=bxyz', build('bxyz', media, '\n'))
    expect([parts.media.toString(), parts.metadata.toString(), parts.mediaType]).toEqual([media.toString(), '{"name":"x"}', 'a/b'])
  })

  it('is not misled by text that only resembles the boundary', () => {
    const media = Buffer.from('\r\n--bx\r\n--b x\r\nx--b\r\n--b-\r\n')
    expect(parseMultipart('Multipart/Related; type=x; boundary="b"', build('b', media)).media.equals(media)).toBe(true)
  })

  it('takes a preamble and padding behind the boundary', () => {
    const body = Buffer.from('preamble\r\n--b  \r\ncontent-type: application/json\r\n\r\n{}\r\n--b\t\r\n\r\nDATA\r\n--b--')
    expect(parseMultipart('multipart/related; boundary=b', body).media.toString()).toBe('DATA')
  })

  it.each<[string, string, Buffer]>([
    ['another type', 'multipart/form-data; boundary=b', build('b', Buffer.from('x'))],
    ['no boundary', 'multipart/related', build('b', Buffer.from('x'))],
    ['an open quote', 'multipart/related; boundary="b', build('b', Buffer.from('x'))],
    ['no closing boundary', 'multipart/related; boundary=b', build('b', Buffer.from('x')).subarray(0, -6)],
    ['one part', 'multipart/related; boundary=b', Buffer.from('--b\r\ncontent-type: application/json\r\n\r\n{}\r\n--b--')],
    ['three parts', 'multipart/related; boundary=b', build('b', Buffer.from('x\r\n--b\r\n\r\ny'))],
    ['metadata that is not JSON', 'multipart/related; boundary=b', Buffer.from('--b\r\n\r\n{}\r\n--b\r\n\r\nx\r\n--b--')],
    [
      'base64',
      'multipart/related; boundary=b',
      Buffer.from('--b\r\ncontent-type: application/json\r\n\r\n{}\r\n--b\r\ncontent-transfer-encoding: base64\r\n\r\neA==\r\n--b--'),
    ],
  ])('%s is refused', (_what, type, body) => {
    expect(() => parseMultipart(type, body)).toThrow(expect.objectContaining({ status: 400 }) as Error)
  })
})
