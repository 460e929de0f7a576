/* SPDX-License-Identifier: GPL-2.0 */
/*
 * 340 consecutive records of traces/ext4.trace.gz, without the frees of what was
 * allocated before; slots and caches are numbered anew.
 */
#ifndef _QUARRY_KUNIT_REPLAY_SLICE_H
#define _QUARRY_KUNIT_REPLAY_SLICE_H

#define SLICE_SLOTS	231
#define SLICE_CACHES	17
#define SLICE_RECORDS	313
#define SLICE_LEFT	227

static const char slice[] =
	"# quarry-trace 1\n"
	"# slots 231 caches 17 records 313\n"
	"C 0 4096 names_cache\n"
	"C 1 56 mb_cache_entry\n"
	"C 2 192 anon-192\n"
	"C 3 184 filp\n"
	"C 4 48 shared_policy_node\n"
	"C 5 1160 anon-1160\n"
	"C 6 88 anon-88\n"
	"C 7 64 anon-64\n"
	"C 8 176 vm_area_struct\n"
	"C 9 40 vma_lock\n"
	"C 10 256 maple_node\n"
	"C 11 64 anon_vma_chain\n"
	"C 12 96 anon_vma\n"
	"C 13 104 anon-104\n"
	"C 14 40 anon-40\n"
	"C 15 40 extent_status\n"
	"C 16 576 anon-576\n"
	"1 c 0 0\n1 f 0\n1 c 0 1\n1 f 0\n1 c 0 0\n1 f 0\n1 c 0 0\n1 f 0\n1 c 0 0\n1 f 0\n"
	"1 c 0 0\n1 f 0\n1 c 0 0\n1 f 0\n1 c 0 0\n1 f 0\n1 c 0 0\n1 f 0\n1 c 0 0\n1 f 0\n"
	"1 c 0 0\n1 c 1 2\n1 f 0\n1 c 0 0\n1 c 2 3\n1 c 3 4\n1 p 4 2\n1 c 5 5\n1 c 6 6\n"
	"1 c 7 1\n1 k 8 48\n1 f 8\n1 f 7\n1 c 7 7\n1 f 0\n1 c 0 8\n1 c 8 9\n1 c 9 10\n"
	"1 c 10 11\n1 c 11 12\n1 p 12 0\n1 p 13 0\n1 p 14 0\n1 p 15 0\n1 p 16 0\n1 p 17 0\n"
	"1 p 18 0\n1 p 19 0\n1 p 20 0\n1 p 21 0\n1 p 22 0\n1 p 23 0\n1 p 24 0\n1 c 25 1\n"
	"1 f 25\n1 p 25 0\n1 c 26 13\n1 c 27 13\n1 c 28 13\n1 c 29 13\n1 k 30 96\n1 c 31 14\n"
	"1 f 30\n1 c 30 15\n1 p 32 0\n1 p 33 1\n1 c 34 16\n1 c 35 13\n1 c 36 13\n1 c 37 13\n"
	"1 c 38 13\n1 p 39 0\n1 c 40 13\n1 c 41 13\n1 c 42 13\n1 c 43 13\n1 p 44 0\n1 c 45 13\n"
	"1 c 46 13\n1 c 47 13\n1 p 48 0\n1 c 49 13\n1 p 50 0\n1 c 51 13\n1 c 52 13\n1 c 53 13\n"
	"1 c 54 13\n1 p 55 0\n1 c 56 13\n1 c 57 13\n1 c 58 13\n1 c 59 13\n1 p 60 0\n1 c 61 13\n"
	"1 c 62 13\n1 c 63 13\n1 c 64 13\n1 p 65 0\n1 c 66 13\n1 c 67 13\n1 c 68 13\n"
	"1 c 69 13\n1 p 70 0\n1 c 71 13\n1 c 72 13\n1 c 73 13\n1 c 74 13\n1 p 75 0\n1 c 76 13\n"
	"1 c 77 13\n1 c 78 13\n1 c 79 13\n1 p 80 0\n1 c 81 13\n1 c 82 13\n1 c 83 13\n"
	"1 c 84 13\n1 p 85 0\n1 c 86 13\n1 c 87 13\n1 c 88 13\n1 c 89 13\n1 p 90 0\n1 c 91 13\n"
	"1 c 92 13\n1 c 93 13\n1 c 94 13\n0 p 95 0\n0 p 96 0\n0 p 97 0\n0 p 98 0\n0 p 99 0\n"
	"0 p 100 0\n0 p 101 0\n0 p 102 0\n0 p 103 0\n0 p 104 0\n0 p 105 0\n0 p 106 0\n"
	"0 p 107 0\n0 p 108 0\n0 p 109 0\n1 f 95\n1 f 96\n1 f 97\n1 f 98\n1 f 99\n1 f 100\n"
	"1 f 101\n1 f 102\n1 f 103\n1 f 104\n1 f 105\n1 f 106\n1 p 106 0\n1 f 107\n1 p 107 0\n"
	"1 f 108\n1 p 108 0\n1 f 109\n1 c 109 1\n1 f 109\n1 p 109 0\n1 c 105 13\n1 c 104 13\n"
	"1 p 103 0\n1 c 102 13\n1 c 101 13\n1 p 100 0\n1 c 99 13\n1 c 98 13\n1 c 97 13\n"
	"1 c 96 13\n1 p 95 0\n1 c 110 13\n1 c 111 13\n1 c 112 13\n1 c 113 13\n1 p 114 0\n"
	"1 c 115 13\n1 c 116 13\n1 c 117 13\n1 c 118 13\n1 p 119 0\n1 c 120 13\n1 c 121 13\n"
	"1 c 122 13\n1 c 123 13\n1 p 124 0\n1 c 125 13\n1 c 126 13\n1 c 127 13\n1 c 128 13\n"
	"1 p 129 0\n1 c 130 13\n1 c 131 13\n1 c 132 13\n1 c 133 13\n1 p 134 0\n1 c 135 13\n"
	"1 c 136 13\n1 c 137 13\n1 c 138 13\n1 p 139 0\n1 c 140 13\n1 c 141 13\n1 c 142 13\n"
	"1 c 143 13\n1 p 144 0\n1 c 145 13\n1 c 146 13\n1 c 147 13\n1 c 148 13\n1 p 149 0\n"
	"1 c 150 13\n1 p 151 0\n1 c 152 13\n1 c 153 13\n1 c 154 13\n1 p 155 0\n1 c 156 13\n"
	"1 c 157 13\n1 c 158 13\n1 c 159 13\n1 p 160 0\n1 c 161 13\n1 c 162 13\n1 c 163 13\n"
	"1 c 164 13\n1 p 165 0\n1 c 166 13\n1 c 167 13\n1 c 168 13\n1 c 169 13\n1 p 170 0\n"
	"1 c 171 13\n1 c 172 13\n1 c 173 13\n1 c 174 13\n1 p 175 0\n1 c 176 13\n1 c 177 13\n"
	"1 c 178 13\n1 c 179 13\n0 p 180 0\n0 p 181 0\n0 p 182 0\n0 p 183 0\n0 p 184 0\n"
	"0 p 185 0\n1 f 180\n1 f 181\n1 f 182\n1 f 183\n1 f 184\n1 f 185\n1 c 185 1\n1 f 185\n"
	"1 p 185 0\n1 c 184 13\n1 c 183 13\n1 c 182 13\n1 c 181 13\n1 p 180 0\n1 c 186 13\n"
	"1 c 187 13\n1 c 188 13\n1 c 189 13\n1 p 190 0\n1 c 191 13\n1 c 192 13\n1 c 193 13\n"
	"1 c 194 13\n1 p 195 0\n1 c 196 13\n1 c 197 13\n1 c 198 13\n1 c 199 13\n1 p 200 0\n"
	"1 p 201 0\n1 c 202 13\n1 c 203 13\n1 c 204 13\n1 c 205 13\n1 p 206 0\n1 c 207 13\n"
	"1 c 208 13\n1 c 209 13\n1 c 210 13\n1 p 211 0\n1 c 212 13\n1 c 213 13\n1 c 214 13\n"
	"1 c 215 13\n0 p 216 0\n0 p 217 0\n0 p 218 0\n0 p 219 0\n0 p 220 0\n0 p 221 0\n"
	"0 p 222 0\n0 p 223 0\n0 p 224 0\n0 p 225 0\n0 p 226 0\n0 p 227 0\n0 p 228 0\n"
	"0 p 229 0\n0 p 230 0\n1 f 216\n1 f 217\n1 f 218\n1 f 219\n";

#endif /* _QUARRY_KUNIT_REPLAY_SLICE_H */
