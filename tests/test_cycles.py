# SPDX-License-Identifier: Apache-2.0
"""The cycle models, on a few instructions whose cycles the manuals state."""

from __future__ import annotations

import pytest

from exporter.chips.cycles import MODELS, REFILL, Step


def test_the_model_of_the_cortex_m0plus_gives_the_cycles_of_its_manual():
    # two registers pushed: 3; a load: 2; an operation: 1; a branch back, taken 9 of 10 times: 19; bl: 3; pop with pc: 5
    codes = [(0xB510, 2), (0x6800, 2), (0x3801, 2), (0xD1FC, 2), (0xF800F000, 4), (0xBD10, 2)]
    counts = [1, 1, 10, 10, 1, 1]
    steps = [
        Step(2 * i, length, bits, count, 9 if bits == 0xD1FC else 0, 0, rom=True)
        for i, ((bits, length), count) in enumerate(zip(codes, counts, strict=True))
    ]
    manual = 3 + 2 + 10 + 19 + 3 + 5
    assert MODELS["cortex-m0plus"](steps, 7, 0) == manual
    lines = (23 * 2 + 4) / 8  # what was executed, in units that the flash reads at once
    assert MODELS["cortex-m0plus"](steps, 7, 2) == manual + 2 * (7 + 9 + lines)


def test_the_model_of_the_cortex_m4_gives_the_cycles_of_its_manual():
    pytest.importorskip("capstone", reason="the disassembler is not installed")
    steps = [
        Step(0, 4, 0x4FF0E92D, 1, 0, 0, rom=True),  # push.w {r4-r11, lr}: 1 + 9
        Step(4, 2, 0x7801, 10, 0, 9, rom=True),  # ldrb: 2
        Step(6, 2, 0x6842, 10, 0, 0, rom=True),  # ldr behind it: 1
        Step(8, 2, 0x6042, 10, 0, 0, rom=True),  # str: 1
        Step(10, 4, 0x4312FB01, 10, 0, 0, rom=True),  # mla: 1
        Step(14, 4, 0xF1F3FB91, 1, 0, 0, rom=True),  # sdiv: 12
        Step(18, 2, 0xD1F7, 10, 9, 0, rom=True),  # bne, taken 9 times
        Step(20, 4, 0x8FF0E8BD, 1, 1, 0, rom=True),  # pop.w {r4-r11, pc}: 1 + 9, and a jump
    ]
    assert MODELS["cortex-m4"](steps, 0, 0) == 10 + 10 * (2 + 1 + 1 + 1) + 12 + 10 + 9 * REFILL + 10 + REFILL
    assert MODELS["cortex-m4"](steps, 10, 2) == MODELS["cortex-m4"](steps, 0, 0) + 20


CODES = [
    (0, 2, 0x0505, 0, 0),  # c.addi
    (2, 4, 0x00058593, 0, 9),  # addi, landed on at an odd halfword
    (6, 2, 0x4108, 0, 0),  # c.lw
    (8, 2, 0xFD75, 9, 0),  # c.bnez, taken 9 times
]


def loop(*, rom: bool) -> list[Step]:
    return [Step(address, length, bits, 10, taken, landed, rom) for address, length, bits, taken, landed in CODES]


def test_the_model_of_the_qingke_v2_counts_fetches_jumps_and_loads_from_flash():
    # from flash: half a line in 1 cycle, a whole one in 2, a load in 2, a jump 3.5 more; 10 loads from flash
    assert MODELS["qingke-v2"](loop(rom=True), 10, 1) == 10 + 20 + 9 + 20 + 10 + 9 * 3.5 + 10


def test_the_model_of_the_qingke_v2_knows_that_code_in_ram_has_no_wait_states():
    assert MODELS["qingke-v2"](loop(rom=False), 10, 1) == 10 + 10 + 9 + 20 + 10 + 9 * 2 + 10
    assert MODELS["qingke-v2"](loop(rom=False)[2:], 0, 2) == MODELS["qingke-v2"](loop(rom=False)[2:], 0, 0)


def test_the_model_of_the_esp32c3_takes_two_cycles_for_a_load_and_three_for_a_jump():
    assert MODELS["esp32c3"](loop(rom=False), 0, 0) == 10 + 10 + 20 + 10 + 9 * 2
