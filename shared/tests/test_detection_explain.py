from telltale_shared.detection import explain


def test_numbers_and_durations_are_for_people() -> None:
    assert explain.number(1234.5678) == "1,234.6"
    assert explain.number(0.000012345678) == "1.2346e-05"
    assert explain.number(2_500_000.4) == "2,500,000"
    assert explain.number(1.5e200) == "1.5e+200"
    assert explain.duration(19e6) == "19 s"
    assert explain.duration(600e6) == "10 min"
    assert explain.duration(86_400e6 * 3) == "3 d"
    assert explain.rarity(1.0) == "unlike anything so far"
    assert explain.rarity(3_456.0) == "once in about 3,500 readings or less often"
    assert explain.rarity(87.4) == "once in about 87 readings or less often"
