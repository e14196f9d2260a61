// SPDX-License-Identifier: MIT
// The Lua scripts are read at run time from beside the module that loads them: they go where the compiler puts that module.
import { cpSync } from 'node:fs'

const folder = 'backends/redis/lua'
cpSync(`src/${folder}`, `dist/${folder}`, { recursive: true })
