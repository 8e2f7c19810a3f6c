"""Kinds of answers that models print, each in many forms, and the kinds that are no answer."""

from __future__ import annotations

import json
import re
from fractions import Fraction

import pytest
from answer_forms import is_right, misread
from conftest import REPOSITORY

from spatial_engine.evaluation.answer_reading.answers import (
    CUT_OFF,
    DIFFER,
    NOTHING,
    read,
    read_answer,
)
from spatial_engine.utils.subtasks import SUBTASKS

LENGTH, ANGLE, VECTOR, NEARER, POINT, LETTER, YAW, DEPTH_WISE, PITCH = (
    SUBTASKS[name] for name in (
        "camera_total_distance", "camera_yaw_angle", "camera_displacement_vector",
        "depth_comparison_coor", "correspondence_coor", "correspondence_multichoice",
        "camera_yaw_movement", "camera_z_movement", "camera_pitch_movement",
    )
)  # fmt: skip
MOVED = (-393, 355, -1070)
KINDS = [
    (LENGTH, 1200, [
        "1.2 M", "120 CM", "1200 MM", "12 dm", "0.0012 km", "47.24 inches", "47.24 in",
        "47.24 in.", "47.24″", "3.937 ft", "3.937'", "1.3123 yards", "1.2 公尺", "120公分",
        "120 厘米", "1.2メートル", "120センチ", "1200ミリメートル", "1200밀리미터",
        "120센티미터입니다", "1.2미터", "1,2 mètres", "1,2 Meter", "1200 millimètres",
        "1,20 metros", r"\boxed{1200}", r"\boxed{1200\ \text{mm}}", r"\boxed{1.2~\mathrm{m}}",
        r"$\boxed{1.2\,\mathrm{m}}$", r"\(1200\) mm", r"\[1200\,\text{mm}\]", "$1{,}200$ mm",
        r"$1\,200$ mm", r"1200\text{ mm}", r"$120 \mathrm{~cm}$", r"\SI{1.2}{m}",
        r"\textbf{1.2 m}", "**1.2** m", "**1.2 m**", "*1.2 m*", "__1.2 m__", "`1.2` m", "`1.2 m`",
        "1.2 (m)", "1.2 [m]", "a 1.2-metre move", "1.2 - meter", "distance in meters: 1.2",
        "Distance (m): 1.2", "Distance [m]: 1.2", "in cm: 120", "The distance in metres is 1.2",
        "The distance is 1.2 in meters", "1.2 (in meters)", '{"distance_m": 1.2}',
        '{"distance": 1.2, "unit": "m"}', '{"distance": "1.2 m"}', "距离（米）：1.2",
        "单位：米，距离：1.2", "1 m 20 cm", "1m20cm", "1 m and 20 cm", "1 meter 20 centimeters",
        "1米20厘米", "1 m 200 mm", "3 ft 11.24 in", "3'11.24\"", "3 feet, 11.24 inches",
        "3 feet and 11.24 inches", "1,200 mm", "1 200 mm", "1\u2009200 mm", "1\xa0200 mm",
        "1\u202f200 mm", "1'200 mm", "1’200 mm", "1_200 mm", "1{,}200", "1,200.0 mm",
        "1.200,0 mm", "1 200,0 mm", "1,2 m", "0,0012 km", r"$1.2\times10^{3}$ mm",
        r"1.2 \cdot 10^3 \text{ mm}", "1.2×10³ mm", "1.2*10^3 mm", "1.2e3 mm", "1.2E+03",
        "1.2 x 10^3 mm", "1.2 × 10^3", "1.2·10³ mm", "12 × 10² mm", "0.12 × 10^4 mm",
        "1.2 x 10**3 mm", "1200 ± 50 mm", "1200±50 mm", "1200 mm ± 50 mm", "1200 mm ± 5%",
        "1200 (±50) mm", "1200 +/- 50 mm", "1200 mm (±50 mm)", r"1200 \pm 50 mm", "1.2 ± 0.1 m",
        "1200 mm (error 50 mm)", "1200 mm with an error of 50 mm", "1200 mm, give or take 50 mm",
        "1200 mm (margin of error: 10%)", "1200 mm (about 3.9 ft)", "1200 mm (1.2 m)",
        "1.2 m (1200 mm)", "3.9 ft (1200 mm)", "1.2 m = 1200 mm", "1200 mm, i.e. 1.2 m",
        "about 1.2 m, or 1200 mm", "1200毫米（1.2米）", "约1200毫米", "大约为1.2米左右",
        "答案：1200", "答案是1200毫米", "정답은 1200mm입니다", "答えは1200mmです",
        "約1.2メートルです", "１２００ｍｍ", "１.２ｍ", "１２００", "Answer: 1200",
        "Answer: 1200 mm. The sofa is 2 m long.", "**Answer:** 1200 mm", "**Answer**: 1.2 m",
        "Final answer: 1200\nConfidence: 90%", "The final answer is 1200 mm.",
        "The answer is: 1200", "Answer\n1200", "### Answer\n1200 mm", "<answer>1200</answer>",
        "<answer> 1.2 m </answer>", "<ANSWER>1200</ANSWER>", "[ANSWER]1200[/ANSWER]",
        "<|begin_of_box|>1200<|end_of_box|>", "The sofa is 2 m.\n\n1200",
        "1200 mm. The sofa is 2 m long.", "1200 mm, since the sofa is 2 m long",
        "1200 because the sofa is 2000 long", "```\n1200\n```", '```json\n{"answer": 1200}\n```',
        '{"answer": 1200, "confidence": 90}',
        '{"answer": "1200 mm", "reason": "the sofa is 2 m"}', "Distance ≈ 1200 mm", "~1200 mm",
        "≈1.2m", "Answer: ~1.2 m", "It moved 1200 mm while turning 30 degrees.",
        "It turned 30° and moved 1200 mm.", "`1200 mm, 30°`",
        "The camera in image 1 and image 2 moved 1200 mm",
        "From frame 10 to frame 20 it moved 1.2 m", "1200 mm (confidence 90%)",
        "With 95% certainty: 1200 mm", "Using the 2 chairs as reference, 1200 mm",
        "At (599, 217) the depth is 1200 mm", "At x=599, y=217 the depth is 1200 mm",
        "1. The sofa is big.\n2. The distance is 1200 mm.", "√(720² + 960²) = 1200 mm",
        "720 + 480 = 1200 mm", "2 m - 0.8 m = 1.2 m", r"$\sqrt{720^2+960^2} = 1200$ mm",
        "The 3D distance is 1200 mm", "1200 mm.", "1200mm!", '"1200"', "'1200'", "“1200 mm”",
        'The distance is "1200"', "• 1200 mm", "1200 mm", "| Depth | 1200 mm |",
        "<think>3 m</think>1200", "<thinking>3 m</thinking>\n1200",
        "<reasoning>3 m</reasoning>1200", "<reflection>3 m</reflection>1200",
        "◁think▷3 m◁/think▷1200", "[THINK]3 m[/THINK]1200",
        "<|channel|>analysis<|message|>3 m<|end|><|start|>assistant<|channel|>final<|message|>1200",
        "3 m so</think>1200", "1 1/5 m", "1200&nbsp;mm", "1200<br>", "<b>1200</b> mm",
        "1.2 x 10<sup>3</sup> mm", "1200 mm\n\n(approx. 47 inches)", "approx. 1200 mm",
        "Answer = 1200 mm", "My answer: 1200 mm", "Result: 1200 mm",
        "1200 millimeters, or 1.2 meters.", "1200 mm (1.2 m, 3.9 ft)", "#### 1200",
        "about 120 centimetres", "120.0cm", "0.0012km", "1200,00 mm",
        "The distance is 1.2 meters (1,200 mm).", "Approximately 1.2 m (≈ 4 feet)",
        "Answer: 1200 (in mm)", "Answer: 1.2 (m)", "d ≈ 1200 mm",
        "It is 1200 mm; the sofa is 2000 mm.", "Depth: **1.2 m** (1200 mm)",
        "Confidence: 0.9\nAnswer: 1200", "1200\nmm", r"$\approx 1200 \text{ mm}$",
        r"\boxed{1200 \text{ mm}} \approx 1.2 m", r"\boxed{\approx 1200}", r"\boxed{1200\pm50}",
        r"\boxed{\frac{6}{5}\text{ m}}", "١٢٠٠ mm", "1200 mm +/- 4%", "1200 mm (±4%)",
        "1200 mm\n1.2 m", "Between the two images the camera moved 1200 mm", "ca. 1200 mm",
        "<cot>3 m</cot>1200", "analysisWe see 3 m.assistantfinal1200 mm",
        "analysis of the images gives 1200 mm", "1200mm → 1.2m",
        "The camera moved forward 1200 mm and rotated 30 degrees to the left",
        "**Final Answer:** `1200`", r"The final answer is $\boxed{1200}$.", "12.00 dm",
        "Therefore, the distance is approximately **1200 mm**.", "1200 mm (47.2 in)",
        "1200 mm (47 in.)", "The baseline between image 1 and 2 is 1200 millimeters",
        "the camera has moved 1.2 metres between the frames", r"$1.2\,\text{m}$",
        r"1.2 \, \text{m}", r"1.2\;m", r"`1.2 \text{ m}`", "1200",
    ]),
    (LENGTH, None, [
        "between 1000 and 1400 mm", "1000-1400 mm", "1000–1400 mm", "1000 to 1400 mm",
        "1.0-1.4 m", "1000 mm - 1400 mm", "1000~1400mm", "from 1000 to 1400 mm",
        "1000 or 1400 mm", "`1000-1400 mm`", r"\boxed{1000-1400}",
        "1200 mm. Wait, it is 1500 mm.", "Answer: 1200. Actually, 1500 mm.", "<think>1200",
        "<think>so 1200 mm", "<|channel|>analysis<|message|>1200", "I cannot tell.",
        "I cannot determine the distance; the sofa is 2 m long.",
        "Answer: unknown. The sofa is 2 m.", "one point two meters", "twelve hundred mm",
        "half a meter", "15 degrees", "1200 px", "120%", "", "300 x 400 mm", "1200 m²",
        "more than 1 m", "at least 1200 mm", "<1200 mm", "1200+ mm", "not 1200 mm", "1.2k",
        "1.2 thousand mm", "1,200 m", "1.200 mm", "1 m or 2 m", "8 m/s", r"\boxed{}",
        r"\boxed{?} maybe 1200", r"\boxed{1200", "1米2", "三米", "1200 mm or 1500 mm",
        "Width: 500 mm, height: 800 mm", "500 mm by 800 mm", "The error is 50 mm",
        "答案：无法确定", "1/2", "3:4", "0.5-0.8 m", "All values in meters.\nDistance: 1.2",
        "1,2", "1200 mm\n1500 mm", "±1200 mm", "about 1 to 2 meters", "1200 sq mm",
        "first 300, then 400", "12,34", "1.2.3 m", "1e999", "two meters; the sofa is 3 m",
        "1200 mm left and 300 mm up", "A: 2 m, B: 1.2 m", "1.2 m, 1.5 m", "5'11", "1 m 20", "?",
        "1200 mm? or 1300 mm", "1200 mm vs. 1300 mm", "around 1000, maybe 1500 mm",
        "1200 bananas or 1300",
        "It's impossible to determine the distance; typical sofas are 2 m.",
    ]),
    (ANGLE, 15, [
        "15", "15°", "15 deg", "15 degrees", "15 Grad", "15度", "15도", "15º", "15 °", "`15°`",
        r"$15^\circ$", r"15^{\circ}", r"\boxed{15^\circ}", r"$15\degree$", "0.2618 rad",
        "0.2618 radians", "15° (0.26 rad)", "15 degrees while moving 1.2 m",
        "moved 1.2 m and turned 15°", "15.0 degrees", "+15°", "15-degree turn", "答案：15度",
        "约15°", "15度です", "15도입니다", "15°±2°", "15 ± 2 degrees", "15 degrees to the left",
        "Answer: 15 degrees left", "angle (deg): 15", "in degrees: 15", '{"angle_deg": 15}',
        "15 degs", "`15` deg", "`15` degrees", "15° ≈ 0.262 rad", "１５°", "1.5e1 degrees",
    ]),
    (ANGLE, 15.5, [
        "15°30'", "15° 30′",
    ]),
    (ANGLE, -15, [
        "-15°", "−15 degrees", "minus 15 degrees", "negative 15°",
    ]),
    (ANGLE, None, [
        "π/12 rad", "1200 mm", "10-20°", "10 to 20 degrees", "fifteen degrees", "15° or 20°",
        "15%", "十五度", "15 °C", "it turned 1.2 m",
    ]),
    (VECTOR, MOVED, [
        "[-393, 355, -1070]", "(-393, 355, -1070)", "-393, 355, -1070", "<-393, 355, -1070>",
        "⟨-393, 355, -1070⟩", "{-393, 355, -1070}", "[-393 355 -1070]", "-393 355 -1070",
        "[ -393 , 355 , -1070 ]", "[-393; 355; -1070]", "x=-393, y=355, z=-1070",
        "x: -393 mm, y: 355 mm, z: -1070 mm", "x=-393 mm, y=355 mm, z=-1.07 m",
        "z: -1070, x: -393, y: 355", '{"x": -393, "y": 355, "z": -1070}',
        '{"z": -1070, "y": 355, "x": -393}', "{'x': -393, 'y': 355, 'z': -1070}",
        '{"displacement": [-393, 355, -1070]}', "x: - 393, y: 355, z: - 1070",
        "x: −393, y: 355, z: −1070", "x = –393\ny = 355\nz = –1070",
        "- x: -393\n- y: 355\n- z: -1070", "**x**: -393\n**y**: 355\n**z**: -1070",
        "x: minus 393, y: 355, z: minus 1070", "[- 393, 355, - 1070]", "- 393, 355, - 1070",
        "[−393, 355, −1070]", "[-39.3 cm, 35.5 cm, -107 cm]", "[-0.393, 0.355, -1.07] m",
        "[-0.393, 0.355, -1.070] (in meters)", "(-0.393 m, 0.355 m, -1.07 m)",
        "[-0,393; 0,355; -1,07] m", "(-0,393, 0,355, -1,07) m",
        "in meters: [-0.393, 0.355, -1.07]", "393 mm left, 355 mm down, 1070 mm backward",
        "left 393 mm, down 355 mm, backward 1070 mm",
        "393 mm to the left, 355 mm downwards and 1.07 m backwards",
        "It moved left by 393 mm, down by 355 mm, and back by 1070 mm.",
        "-393 mm along x, 355 mm along y, -1070 mm along z", "-393 (x), 355 (y), -1070 (z)",
        "x (right): -393, y (down): 355, z (forward): -1070",
        "x (mm): -393, y (mm): 355, z (mm): -1070", "dx=-393, dy=355, dz=-1070",
        "Δx = -393 mm, Δy = 355 mm, Δz = -1070 mm", "X: -393, Y: 355, Z: -1070",
        "x-axis: -393 mm, y-axis: 355 mm, z-axis: -1070 mm",
        r"\begin{bmatrix} -393 \\ 355 \\ -1070 \end{bmatrix}",
        r"\begin{pmatrix}-393\\355\\-1070\end{pmatrix}", r"$\langle -393, 355, -1070 \rangle$",
        r"\boxed{[-393, 355, -1070]}", r"\boxed{(-393, 355, -1070)\text{ mm}}",
        "$(x, y, z) = (-393, 355, -1070)$", "[ x , y , z ] = [ -393 , 355 , -1070 ]",
        "[-393,355,-1,070]", "[-393, 355, -1,070]", "[-393 355 -1 070]", "[-393, 355, -1 070]",
        "[-393, 355, -1'070]", "| x | y | z |\n|---|---|---|\n| -393 | 355 | -1070 |",
        "[－393，355，－1070]", "（-393，355，-1070）", "向左393毫米，向下355毫米，向后1070毫米",
        "Answer: [-393, 355, -1070]\n\nThe sofa is at [1, 2, 3].",
        "<answer>[-393, 355, -1070]</answer>", "`[-393, 355, -1070]` mm",
        "`-393`, `355`, `-1070`", "x=`-393` y=`355` z=`-1070`",
        "[-393 ± 10, 355 ± 10, -1070 ± 20]", "[-3.93e2, 3.55e2, -1.07e3]",
        "[-393, 355, -1070] mm while turning 15°", "[\n  -393,\n  355,\n  -1070\n]",
        "-393 mm, 355 mm and -1070 mm", "[-393, 355, -1070] mm ([-0.393, 0.355, -1.07] m)",
        "[-393.0, 355.0, -1070.0]", "Right: -393 mm, Down: 355 mm, Forward: -1070 mm",
        "np.array([-393, 355, -1070])", "Vector(-393, 355, -1070)",
        r"\boxed{x=-393, y=355, z=-1070}", r"\boxed{-393,\ 355,\ -1070}",
        r"\left[ -393, 355, -1070 \right]", r"(-393,\,355,\,-1070)",
        "in the x direction: -393; y direction: 355; z direction: -1070",
        "X displacement: -393 mm\nY displacement: 355 mm\nZ displacement: -1070 mm",
        "The camera moved -393 mm in x, 355 mm in y and -1070 mm in z.",
        "Answer: [-393, 355, -1070] mm (x right, y down, z forward)",
        "`[ -393 , 355 , -1070 ]`\nThe other is [1, 2, 3]", "[-393 mm, 355 mm, -1.07 m]",
        "about [-393, 355, -1070]", "~[-393, 355, -1070]", "x ≈ -393, y ≈ 355, z ≈ -1070",
        "-39.3cm, 35.5cm, -107cm", "1. x: -393\n2. y: 355\n3. z: -1070", "[-393; 355; -1070] mm",
        "x:-393 y:355 z:-1070", "x = -393 mm (left)\ny = 355 mm (down)\nz = -1070 mm (backward)",
        "(x=-393,y=355,z=-1070)", "left: 393 mm\ndown: 355 mm\nbackward: 1070 mm",
        "−３９３，３５５，−１０７０", "[-393, 355, -1070]ᵀ", "[-393, 355, -1070]^T",
    ]),
    (VECTOR, None, [
        "[-393, 355]", "[1,2,3] or [4,5,6]", "[1,2,3,4]", "x: -393, y: 355",
        "(z, y, x) = (-1070, 355, -393)", "[1-2, 3, 4]", "-393\n- 355", "[1.2 m, 355, -1070]",
        "[10°, 5°, 2°]", "left -393, down 355, back 1070", "393 mm left, 355 mm down",
        "[a, b, c]", "[1,200,2,300,400]", "[120%, 3%, 4%]", "<think>[1,2,3]", "[x, y, z]",
        "x: 393 mm left, y: 355 mm down, z: 1070 mm backward", "[1,2,3]\nWait, [4,5,6]",
        "Camera 1: [0, 0, 0], Camera 2: [-393, 355, -1070]", "[z: 1, 2, 3]", "[]", "[1, 2]",
    ]),
    (NEARER, (300, 500), [
        "[300, 500]", "(300,500)", "300,500", "300 500", "[ 300 , 500 ]", "x=300, y=500",
        "x: 300, y: 500", "y=500, x=300", '{"x":300,"y":500}', '{"point": [300, 500]}',
        '{"point_2d": [300, 500], "label": "lamp"}', "<point>300 500</point>",
        "<point>300, 500</point>", "<point>[300,500]</point>",
        "<|point_start|>(300,500)<|point_end|>", "[[300, 500]]", "(x, y) = (300, 500)",
        "[300.0, 500.0]", "Answer: [300, 500]", "The answer is (300, 500).", "`[300,500]`",
        "**[300, 500]**", r"\boxed{[300, 500]}", "$(300, 500)$", "［300，500］", "（300，500）",
        "答案：[300, 500]", "答案是（300，500）",
        "[300, 500]\n\nThe other, [650, 550], is farther.",
        "The coordinates are [300, 500] in Image-2", '```json\n[{"point_2d": [300, 500]}]\n```',
        "300 , 500", "[300;500]", "x is 300 and y is 500", "<300, 500>", "x = 300\ny = 500",
        "[300, 500].", "[300 500]",
    ]),
    (NEARER, None, [
        "[0.3, 0.5]", "x: 30.0%, y: 50%", "[30%, 50%]", "[300, 500, 400, 600]",
        "(300,500),(400,600)", "[300, 500] or [650, 550]", "300", "[640 px, 480 px]",
        "(y, x) = (500, 300)", "", '<point x="30.1" y="50.2" alt="x">x</point>',
        "[300, 500, 0.9]", "The 2 dots at 500", "[300-400, 500]",
    ]),
    (POINT, (300, 500), [
        "[300, 500]", "(300,500)", "300,500", "300 500", "[ 300 , 500 ]", "x=300, y=500",
        "x: 300, y: 500", "y=500, x=300", '{"x":300,"y":500}', '{"point": [300, 500]}',
        '{"point_2d": [300, 500], "label": "lamp"}', "<point>300 500</point>",
        "<point>300, 500</point>", "<point>[300,500]</point>",
        "<|point_start|>(300,500)<|point_end|>", "[[300, 500]]", "(x, y) = (300, 500)",
        "[300.0, 500.0]", "Answer: [300, 500]", "The answer is (300, 500).", "`[300,500]`",
        "**[300, 500]**", r"\boxed{[300, 500]}", "$(300, 500)$", "［300，500］", "（300，500）",
        "答案：[300, 500]", "答案是（300，500）",
        "[300, 500]\n\nThe other, [650, 550], is farther.",
        "The coordinates are [300, 500] in Image-2", '```json\n[{"point_2d": [300, 500]}]\n```',
        "300 , 500", "[300;500]", "x is 300 and y is 500", "<300, 500>", "x = 300\ny = 500",
        "[300, 500].", "[300 500]",
        "The point at [123, 456] in Image-1 corresponds to [300, 500] in Image-2",
        "Image-1: [1, 2]; Image-2: [300, 500]",
        "In the first image at (1, 2), in the second image at (300, 500).", "Image-2: [300, 500]",
        r"\boxed{[300,\,500]}", r"\boxed{(300, 500)}", '{"x": 300, "y": 500}',
        "[x, y] = [300, 500]", "x = 300, y = 500 in Image-2",
        "(300, 500)\n\nExplanation: the lamp at (100, 200) helps.",
        "Answer: (300, 500)\nThe lamp is at (100, 200).", "[300,500].",
    ]),
    (POINT, None, [
        "[0.3, 0.5]", "x: 30.0%, y: 50%", "[30%, 50%]", "[300, 500, 400, 600]",
        "(300,500),(400,600)", "[300, 500] or [650, 550]", "300", "[640 px, 480 px]",
        "(y, x) = (500, 300)", "", '<point x="30.1" y="50.2" alt="x">x</point>',
        "[300, 500, 0.9]", "The 2 dots at 500", "[300-400, 500]",
    ]),
    (LETTER, "B", [
        "B", "(B)", "B.", "B)", "[B]", "Option B", "option b", "**B**", "`B`", "B: the lamp",
        "B. The lamp", "B) the lamp", "(B) the lamp", "Dot B matches", "Dot B", "选B", "B选项",
        "答案是B", "答案：B", "正确答案是B。", "选项B", "我选择B", "정답은 B입니다", "정답: B",
        "B입니다", "正解はBです", "答えはB", "Ｂ", "（B）", "B\n\nDot A is on the lamp.",
        "B. Dot A is on the lamp.", "Answer: B\n\nA is on the lamp", "Answer: B. A is hidden.",
        "Answer: B, because A is hidden", "The answer is B because A is too far",
        "The correct option is B", '{"answer": "B"}',
        '{"answer": "B", "explanation": "A is hidden"}', '```json\n{"answer": "B"}\n```',
        r"\boxed{B}", r"\boxed{\text{B}}", r"$\boxed{\mathrm{B}}$", r"\boxed{\textbf{(B)}}",
        "<answer>B</answer>", "Neither A nor C fits. <answer>B</answer>",
        "A: no. C: no.\nFinal answer: B", "I choose B", "I would go with B.",
        "The best match is B.", "B is correct; A is hidden", "B is the correct answer.",
        "The matching dot is **B**.", "Among A, B, C and D, the match is **B**.",
        "<think>A or C</think>B", "B\nB", "It is B.", "answer:b", "The answer is: **B**",
        "Final Answer: (B)", "respuesta: B", "La réponse est B", "Die Antwort ist B", "Ответ: B",
        "B，因为A被遮挡", "B。A在地板上。", "B - the lamp", "_B_", '"B"', "Answer : B",
        "ANSWER: B", "So the answer is B.", "Therefore, B.", "dot b", r"\boxed{B.}",
        r"\boxed{B: lamp}", r"\boxed{B) lamp}", "Ⓑ", "The answer is B: A is hidden.",
        "**B.** The lamp", "**B**: the lamp", "The answer is option (B).", "My choice: B",
        "B, since A and C are elsewhere.", "The dot B in Image-2", "Match: B", r"\text{B}", "$B$",
        "答案选B", "应选B", "正解: B", "答え：B", "정답은 (B)", "El punto B", "B です", "Bです",
        "Bだ", "B입니다.", "Bを選びます", "我选B。", "点B", "The correct answer is: B) the lamp",
        "<answer>\nB\n</answer>", "<answer>B. the lamp</answer>", "option B is correct",
        "The answer: **B** because A is the chair",
    ]),
    (LETTER, None, [
        "A or B", "Neither A nor C", "not A", "A is wrong", "Answer: not A", "A and B",
        "B. Wait, actually C.", "A\nB\nC\nD", "A: lamp\nB: chair\nC: door\nD: table",
        "A. lamp\nB. chair\nSo it matches.", "I cannot tell.", "None of the above", "E",
        "<think>B", "The answer is either B or C.", "Answer: B or C", r"\boxed{B} or \boxed{C}",
        "A chair", "It could be B, maybe C", "B? No, C.", "Vitamin", "Answer: B, C", "不是A",
        "A가 아닙니다", "Aではない", "B\n\nOn second thought, C",
        "The dot could be A, but B is closer", "rule out A", "A: hidden. B: matches",
        "A: hidden, B: visible, so B", "A is hidden. B matches.", "The answer is not B but C",
        "Answer: B/C", "A, B, C, D", "Dot A? Dot B?", "B or maybe D",
        "I am torn between B and C.",
    ]),
    (YAW, "left", [
        "left", "Left.", "LEFT", "leftward", "leftwards", "to the left", "to the left-hand side",
        "left-hand side", "turned left", "向左", "左", "左转", "往左转", "左へ", "左側", "왼쪽",
        "왼쪽으로", "**left**", "`left`", r"\boxed{\text{left}}", "<answer>left</answer>",
        "Answer: left", "Answer: Left, since things shift right",
        "left\n\nReason: things shift to the right.", "Left. The objects move right.",
        "left because things shift to the right", "The camera turned left.",
        "It rotated 30 degrees to the left.", "counterclockwise, i.e. left", '{"answer": "left"}',
        "答案是左", "答案：向左", "정답은 왼쪽입니다", "Final answer: left", "left!", "izquierda",
        "links", "à gauche", "The answer is **left**.", "left (counter-clockwise)", "It's left",
        "<think>right</think>left", "left side", "Ｌｅｆｔ", "The camera ended up turning left.",
        "leftwards\nThe sofa goes rightwards.",
        "Answer: The camera moved to the left. The objects move right",
        "Left - the objects shift right", "left, as objects shift right",
        "The right answer is left.", "Yes, left.", "Direction: left",
        "The camera rotates leftward (counterclockwise).", "Answer: left (objects shift right)",
        "**Left** — because the sofa moves right", "向左转", "镜头向左转动",
        "カメラは左に回転しました", "카메라는 왼쪽으로 회전했습니다",
        "It panned towards the left.", "left-hand", "LEFT!", "左边", "左侧", "左方向",
        "The answer is to the left.", "It turned to its left.", "leftward.",
    ]),
    (YAW, None, [
        "left or right", "not left", "neither left nor right", "rather than left", "right angle",
        "copyright", "left, then right", "up", "The camera did not turn left", "<think>left",
        "left? Wait, right.", "It is unclear.", "左右", "left/right", "instead of left", "不是左",
        "The answer is not left but right.", "A left or right turn", "Left → right",
        "maybe left, maybe right", "左または右", "왼쪽 또는 오른쪽", "向左还是向右？",
    ]),
    (DEPTH_WISE, "backward", [
        "backward", "backwards", "back", "moved back", "moving backward", "后退", "向后", "뒤로",
        "後ろ", "后", "rearward", "The camera moved backwards.", "Answer: backwards",
    ]),
    (DEPTH_WISE, "forward", [
        "forward", "forwards", "Forward", "前进", "向前", "앞으로", "前へ", "前", "moved forward",
        "ahead",
    ]),
    (DEPTH_WISE, None, [
        "looking forward to it", "forward or backward", "back and forth", "之前", "not forward",
    ]),
    (PITCH, "down", [
        "down", "downward", "downwards", "向下", "下", "아래", "tilted down", "Answer: downward",
    ]),
    (PITCH, "up", [
        "up", "upward", "upwards", "upward tilt", "向上", "上", "위로", "tilted up",
    ]),
    (PITCH, None, [
        "up and down", "ended up", "up to 30 degrees", "upside down", "기본", "上下",
    ]),
    (LENGTH, 1000, [
        "10³ mm", "10^3 mm", "10^{3} mm", "$10^3$ mm", "1 m", "1000", "100 cm",
    ]),
]  # fmt: skip

KINDS += [
    (LETTER, None, ["Answer: B (or C)", "N/A", "A to D", "A vs. C"]),
    (YAW, None, ["The sofa is on the left.", "The left lamp is hidden", "on the right side"]),
    (YAW, "left", ["It moved to the left a bit.", "It turned to the left slightly", "to its left"]),
    (DEPTH_WISE, None, ["back-and-forth", "back and forth"]),
    (LENGTH, None, ["half of 2.4 m", "twice 600 mm", "1.2 times 1 m", "20% of 6 m", "2 × 600 mm"]),
    (LENGTH, 1200, ["'''1200'''", '"""1200 mm"""', "2 × 600 mm = 1200 mm", "1.2 m (3'11\")"]),
    (VECTOR, None, ["| z | y | x |\n|---|---|---|\n| 1 | 2 | 3 |", "Order: z, x, y\n[1, 2, 3]"]),
    (VECTOR, MOVED, ["[-393. 355. -1070.]", "tx=-393, ty=355, tz=-1070"]),
]


@pytest.mark.parametrize(
    ("subtask", "right", "text"),
    [(subtask, right, text) for subtask, right, texts in KINDS for text in texts],
)
def test_form_is_read_as_it_is_meant(subtask, right, text):
    right = (Fraction(right),) if isinstance(right, (int, float)) else right
    assert is_right(read_answer(text, subtask), right)


TEMPLATES = sorted(REPOSITORY.glob("spatial_engine/*/templates/*.json"))
VALUES = {
    "number": ["1234", "17"], "vector": ["[ -393 , 355 , -1070 ]"],
    "coordinates": ["[ 300 , 500 ]"], "named point": ["[ 300 , 500 ]"],
}  # fmt: skip


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_sentences_of_the_engine_are_read_without_their_backticks(path):
    """A model that was trained on them may leave the backticks out."""
    kind = path.stem.replace("movement_coord_", "").replace("movement_dot_", "")
    tasks = [name for name in SUBTASKS if name == path.stem or f"_{kind}_" in name]
    assert tasks
    found = json.loads(path.read_text(encoding="utf-8"))
    sentences = [s for key, texts in found.items() if key.startswith("answers") for s in texts]
    assert len(sentences) >= 10
    for subtask in map(SUBTASKS.get, tasks):
        for value in subtask.options or VALUES[subtask.answer]:
            numbers = tuple(Fraction(n) for n in re.findall(r"-?\d+", value))
            for sentence in sentences:
                said = sentence.format(answer=value).replace("`", "")
                assert read_answer(said, subtask) == (numbers or value), said


def test_composed_forms_are_read_right_or_not_at_all():
    """Numbers, units, notations, places and distractors put together at random."""
    wrong = {}
    lost = 0
    for form, found in misread(seed=1, cases=4000):
        lost += found is None
        if found is not None:
            wrong[form.text] = found
    assert not wrong
    assert lost < 4000 * 0.15  # most of them in running text, with another answer beside it


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", NOTHING),
        ("I cannot tell.", NOTHING),
        ("The sofa is red.", NOTHING),
        ("Answer: unknown, but the sofa is 2 m long", NOTHING),
        ("1000 or 1400 mm", DIFFER),
        ("1200 mm. Wait, it is 1500 mm.", DIFFER),
        ("<think>1200 mm", CUT_OFF),
        ("1200 mm", ""),
    ],
)
def test_reason_is_told_where_nothing_is_read(text, reason):
    assert read(text, LENGTH).reason == reason
