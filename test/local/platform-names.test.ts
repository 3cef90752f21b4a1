import { describe, expect, test } from 'vitest'
import { nameProblem } from '../../src/local/platform-names.ts'

const problems = (platform: NodeJS.Platform, paths: string[]): (string | undefined)[] => paths.map(path => nameProblem(path, platform))

describe('names that a platform can not hold', () => {
  test('Linux leaves that to its file systems', () => {
    expect(problems('linux', ['con', 'a:b', 'x.', '\udc80'])).toEqual(new Array(4).fill(undefined))
  })

  test('macOS would store what is not Unicode under another name', () => {
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
