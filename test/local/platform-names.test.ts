import { describe, expect, test } from 'vitest'
import { LocalNames } from '../../src/local/platform-names.ts'

function problems(platform: NodeJS.Platform, paths: string[]): (string | undefined)[] {
  const names = new LocalNames(platform)
  return paths.map(path => names.problem(path))
}

describe('names that a destination can not hold', () => {
  const colliding = ['README', 'Readme', 'caf\u00e9', 'cafe\u0301', 'a', 'a/x', 'A', 'A/y']

  test('Linux holds them all', () => {
    expect(problems('linux', [...colliding, 'con', 'a:b', 'x.', '\udc80'])).toEqual(new Array(12).fill(undefined))
  })

  test('on macOS case and Unicode form do not tell names apart, and nothing lies below what is not restored', () => {
    expect(problems('darwin', colliding).map(why => why !== undefined)).toEqual([false, true, false, true, false, false, true, true])
    expect(problems('darwin', ['README', 'Readme'])[1]).toContain('README')
    expect(problems('darwin', ['a:b', 'con', '\udc80']).map(why => why !== undefined)).toEqual([false, false, true])
  })

  test('Windows forbids some altogether', () => {
    const names = ['con', 'Aux.txt', 'a:b', 'x.', 'x ', 'tab\t', 'what?', 'fine.txt', 'console', 'd', 'd/NUL', 'd/ok']
    expect(problems('win32', names).map(why => why !== undefined)).toEqual([
      true,
      true,
      true,
      true,
      true,
      true,
      true,
      false,
      false,
      false,
      true,
      false,
    ])
    const devices = ['CONIN$', 'conout$.txt', 'COM\u00b9', 'lpt\u00b3.log', 'nul .txt', 'com0']
    expect(problems('win32', devices)).toEqual(devices.map(() => 'Windows does not allow this name'))
    expect(problems('win32', ['com10', 'conin', 'null', 'lpt'])).toEqual([undefined, undefined, undefined, undefined])
  })
})
