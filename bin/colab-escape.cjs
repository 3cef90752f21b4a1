#!/usr/bin/env node
/* Any Node must be able to parse this file, so that an old one can say what it lacks: ES5 only. */
'use strict'

var MINIMUM = [20, 19]

function isTooOld(version) {
  var parts = version.split('.')
  return Number(parts[0]) < MINIMUM[0] || (Number(parts[0]) === MINIMUM[0] && Number(parts[1]) < MINIMUM[1])
}

function fail(message) {
  console.error(message)
  process.exit(1)
}

/* Notebooks run commands in a terminal of 0 x 0 characters, and Node reads that size again at every change of it. */
function neverZeroColumns(stream) {
  if (!stream.isTTY) return
  var columns = stream.columns
  Object.defineProperty(stream, 'columns', {
    configurable: true,
    enumerable: true,
    get: function () {
      return columns || 80
    },
    set: function (value) {
      columns = value
    },
  })
}

function builtProgram() {
  try {
    return require.resolve('../dist/cli.js')
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error
    return fail('colab-escape is not built yet: run `npm install` and `npm run build` in its folder first.')
  }
}

var version = process.versions.node
if (isTooOld(version)) {
  var whatToDo = '. Install a newer Node, for example from https://nodejs.org, and run the same command again.'
  fail('colab-escape needs Node 20.19 or newer; this is Node ' + version + whatToDo)
}
neverZeroColumns(process.stdout)
neverZeroColumns(process.stderr)

var nodeModule = require('module')
if (nodeModule.enableCompileCache) nodeModule.enableCompileCache()

/* `import()` is a syntax error for old parsers; only a text may hold it. */
new Function('url', 'return import(url)')(require('url').pathToFileURL(builtProgram()).href)
