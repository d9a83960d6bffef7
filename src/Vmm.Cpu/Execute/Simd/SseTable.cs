using Iced.Intel;
using Vmm.Cpu.Decode;

namespace Vmm.Cpu.Execute.Simd;

/// <summary>Every SSE instruction's recipe, found by Iced's code.</summary>
internal sealed unsafe class SseTable
{
    private readonly List<SseRecipe> _recipes = [default];
    private readonly ushort[] _places;
    private readonly Dictionary<Code, ushort> _byCode = [];

    private SseTable()
    {
        AddWholeRegisters();
        AddParts();
        AddGeneral();
        AddShuffles();
        AddLogic();
        AddIntegers();
        AddArithmetic();
        AddComparisons();
        AddConversions();
        AddExtensions();
        _places = new ushort[(int)_byCode.Keys.Max() + 1];
        foreach ((Code code, ushort place) in _byCode) _places[(int)code] = place;
    }

    public static SseTable Instance { get; } = new();

    /// <summary>A recipe of form <see cref="SseForm.None"/> when the code is none of ours.</summary>
    public SseRecipe Find(Code code) => (int)code < _places.Length ? _recipes[_places[(int)code]] : default;

    /// <summary>All codes in the table.</summary>
    public IReadOnlyCollection<Code> Codes => _byCode.Keys;

    private void Add(Code code, SseForm form, delegate*<Cpu, Op*, bool> handler, int bytes = 16, SimdFeature feature = SimdFeature.Base)
    {
        _byCode.Add(code, (ushort)_recipes.Count);
        _recipes.Add(new SseRecipe(form, bytes, feature, handler));
    }

    private void AddWholeRegisters()
    {
        Add(Code.Movaps_xmm_xmmm128, SseForm.Load, null);
        Add(Code.Movaps_xmmm128_xmm, SseForm.Store, null);
        Add(Code.Movapd_xmm_xmmm128, SseForm.Load, null);
        Add(Code.Movapd_xmmm128_xmm, SseForm.Store, null);
        Add(Code.Movdqa_xmm_xmmm128, SseForm.Load, null);
        Add(Code.Movdqa_xmmm128_xmm, SseForm.Store, null);
        Add(Code.Movups_xmm_xmmm128, SseForm.LoadUnaligned, null);
        Add(Code.Movups_xmmm128_xmm, SseForm.StoreUnaligned, null);
        Add(Code.Movupd_xmm_xmmm128, SseForm.LoadUnaligned, null);
        Add(Code.Movupd_xmmm128_xmm, SseForm.StoreUnaligned, null);
        Add(Code.Movdqu_xmm_xmmm128, SseForm.LoadUnaligned, null);
        Add(Code.Movdqu_xmmm128_xmm, SseForm.StoreUnaligned, null);
        Add(Code.Lddqu_xmm_m128, SseForm.LoadUnaligned, null, 16, SimdFeature.Sse3);
        Add(Code.Movntdqa_xmm_m128, SseForm.Load, null, 16, SimdFeature.Sse41);
        Add(Code.Movntps_m128_xmm, SseForm.Store, null);
        Add(Code.Movntpd_m128_xmm, SseForm.Store, null);
        Add(Code.Movntdq_m128_xmm, SseForm.Store, null);
    }

    private void AddParts()
    {
        Add(Code.Movss_xmm_xmmm32, SseForm.LoadScalar, &SseMoves.Movss, 4);
        Add(Code.Movss_xmmm32_xmm, SseForm.StoreScalar, &SseMoves.Movss, 4);
        Add(Code.Movsd_xmm_xmmm64, SseForm.LoadScalar, &SseMoves.MoveLow, 8);
        Add(Code.Movsd_xmmm64_xmm, SseForm.StoreScalar, &SseMoves.MoveLow, 8);
        Add(Code.Movq_xmm_xmmm64, SseForm.LoadScalar, &SseMoves.Movq, 8);
        Add(Code.Movq_xmmm64_xmm, SseForm.StoreScalar, &SseMoves.Movq, 8);
        Add(Code.Movlps_xmm_m64, SseForm.Binary, &SseMoves.MoveLow, 8);
        Add(Code.Movlps_m64_xmm, SseForm.StoreScalar, null, 8);
        Add(Code.Movlpd_xmm_m64, SseForm.Binary, &SseMoves.MoveLow, 8);
        Add(Code.Movlpd_m64_xmm, SseForm.StoreScalar, null, 8);
        Add(Code.Movhps_xmm_m64, SseForm.Binary, &SseMoves.MoveHigh, 8);
        Add(Code.Movhps_m64_xmm, SseForm.StoreHigh, &SseMoves.HighToLow, 8);
        Add(Code.Movhpd_xmm_m64, SseForm.Binary, &SseMoves.MoveHigh, 8);
        Add(Code.Movhpd_m64_xmm, SseForm.StoreHigh, &SseMoves.HighToLow, 8);
        Add(Code.Movhlps_xmm_xmm, SseForm.Binary, &SseMoves.Movhlps);
        Add(Code.Movlhps_xmm_xmm, SseForm.Binary, &SseMoves.MoveHigh);
        Add(Code.Movddup_xmm_xmmm64, SseForm.Binary, &SseMoves.Movddup, 8, SimdFeature.Sse3);
        Add(Code.Movsldup_xmm_xmmm128, SseForm.Binary, &SseMoves.Movsldup, 16, SimdFeature.Sse3);
        Add(Code.Movshdup_xmm_xmmm128, SseForm.Binary, &SseMoves.Movshdup, 16, SimdFeature.Sse3);
        Add(Code.Maskmovdqu_rDI_xmm_xmm, SseForm.MaskedStore, &SseMoves.MaskedStore);
    }

    private void AddGeneral()
    {
        Add(Code.Movd_xmm_rm32, SseForm.MoveFromGeneral, &SseMoves.MovdFrom, 4);
        Add(Code.Movq_xmm_rm64, SseForm.MoveFromGeneral, &SseMoves.MovqFrom, 8);
        Add(Code.Movd_rm32_xmm, SseForm.MoveToGeneral, &SseMoves.MovdTo, 4);
        Add(Code.Movq_rm64_xmm, SseForm.MoveToGeneral, &SseMoves.MovqTo, 8);
        Add(Code.Pmovmskb_r32_xmm, SseForm.ToGeneral, &SseMoves.Pmovmskb);
        Add(Code.Pmovmskb_r64_xmm, SseForm.ToGeneral, &SseMoves.Pmovmskb);
        Add(Code.Movmskps_r32_xmm, SseForm.ToGeneral, &SseMoves.Movmskps);
        Add(Code.Movmskps_r64_xmm, SseForm.ToGeneral, &SseMoves.Movmskps);
        Add(Code.Movmskpd_r32_xmm, SseForm.ToGeneral, &SseMoves.Movmskpd);
        Add(Code.Movmskpd_r64_xmm, SseForm.ToGeneral, &SseMoves.Movmskpd);
        Add(Code.Pextrw_r32_xmm_imm8, SseForm.ToGeneral, &SseMoves.Pextrw);
        Add(Code.Pextrw_r64_xmm_imm8, SseForm.ToGeneral, &SseMoves.Pextrw);
        Add(Code.Pextrb_r32m8_xmm_imm8, SseForm.Extract, &SseMoves.Pextrb, 1, SimdFeature.Sse41);
        Add(Code.Pextrb_r64m8_xmm_imm8, SseForm.Extract, &SseMoves.Pextrb, 1, SimdFeature.Sse41);
        Add(Code.Pextrw_r32m16_xmm_imm8, SseForm.Extract, &SseMoves.Pextrw, 2, SimdFeature.Sse41);
        Add(Code.Pextrw_r64m16_xmm_imm8, SseForm.Extract, &SseMoves.Pextrw, 2, SimdFeature.Sse41);
        Add(Code.Pextrd_rm32_xmm_imm8, SseForm.Extract, &SseMoves.Pextrd, 4, SimdFeature.Sse41);
        Add(Code.Pextrq_rm64_xmm_imm8, SseForm.Extract, &SseMoves.Pextrq, 8, SimdFeature.Sse41);
        Add(Code.Extractps_rm32_xmm_imm8, SseForm.Extract, &SseMoves.Pextrd, 4, SimdFeature.Sse41);
        Add(Code.Extractps_r64m32_xmm_imm8, SseForm.Extract, &SseMoves.Pextrd, 4, SimdFeature.Sse41);
        Add(Code.Pinsrw_xmm_r32m16_imm8, SseForm.FromGeneral, &SseMoves.Pinsrw, 2);
        Add(Code.Pinsrw_xmm_r64m16_imm8, SseForm.FromGeneral, &SseMoves.Pinsrw, 2);
        Add(Code.Pinsrb_xmm_r32m8_imm8, SseForm.FromGeneral, &SseMoves.Pinsrb, 1, SimdFeature.Sse41);
        Add(Code.Pinsrb_xmm_r64m8_imm8, SseForm.FromGeneral, &SseMoves.Pinsrb, 1, SimdFeature.Sse41);
        Add(Code.Pinsrd_xmm_rm32_imm8, SseForm.FromGeneral, &SseMoves.Pinsrd, 4, SimdFeature.Sse41);
        Add(Code.Pinsrq_xmm_rm64_imm8, SseForm.FromGeneral, &SseMoves.Pinsrq, 8, SimdFeature.Sse41);
        Add(Code.Movnti_m32_r32, SseForm.StoreGeneral, null, 4);
        Add(Code.Movnti_m64_r64, SseForm.StoreGeneral, null, 8);
        Add(Code.Ldmxcsr_m32, SseForm.LoadControl, &SseMoves.Ldmxcsr, 4);
        Add(Code.Stmxcsr_m32, SseForm.StoreControl, &SseMoves.Stmxcsr, 4);
    }

    private void AddShuffles()
    {
        Add(Code.Pshufd_xmm_xmmm128_imm8, SseForm.Binary, &SseMoves.Pshufd);
        Add(Code.Pshuflw_xmm_xmmm128_imm8, SseForm.Binary, &SseMoves.Pshuflw);
        Add(Code.Pshufhw_xmm_xmmm128_imm8, SseForm.Binary, &SseMoves.Pshufhw);
        Add(Code.Shufps_xmm_xmmm128_imm8, SseForm.Binary, &SseMoves.Shufps);
        Add(Code.Shufpd_xmm_xmmm128_imm8, SseForm.Binary, &SseMoves.Shufpd);
        Add(Code.Insertps_xmm_xmmm32_imm8, SseForm.Binary, &SseMoves.Insertps, 4, SimdFeature.Sse41);
        Add(Code.Blendps_xmm_xmmm128_imm8, SseForm.Binary, &SseMoves.Blendps, 16, SimdFeature.Sse41);
        Add(Code.Blendpd_xmm_xmmm128_imm8, SseForm.Binary, &SseMoves.Blendpd, 16, SimdFeature.Sse41);
        Add(Code.Pblendw_xmm_xmmm128_imm8, SseForm.Binary, &SseMoves.Pblendw, 16, SimdFeature.Sse41);
        Add(Code.Pblendvb_xmm_xmmm128, SseForm.Binary, &SseMoves.Pblendvb, 16, SimdFeature.Sse41);
        Add(Code.Blendvps_xmm_xmmm128, SseForm.Binary, &SseMoves.Blendvps, 16, SimdFeature.Sse41);
        Add(Code.Blendvpd_xmm_xmmm128, SseForm.Binary, &SseMoves.Blendvpd, 16, SimdFeature.Sse41);
        Add(Code.Pshufb_xmm_xmmm128, SseForm.Binary, &SseMoves.Pshufb, 16, SimdFeature.Ssse3);
        Add(Code.Palignr_xmm_xmmm128_imm8, SseForm.Binary, &SseMoves.Palignr, 16, SimdFeature.Ssse3);
        Add(Code.Punpcklbw_xmm_xmmm128, SseForm.Binary, &SseMoves.Punpcklbw);
        Add(Code.Punpcklwd_xmm_xmmm128, SseForm.Binary, &SseMoves.Punpcklwd);
        Add(Code.Punpckldq_xmm_xmmm128, SseForm.Binary, &SseMoves.Punpckldq);
        Add(Code.Unpcklps_xmm_xmmm128, SseForm.Binary, &SseMoves.Punpckldq);
        Add(Code.Punpcklqdq_xmm_xmmm128, SseForm.Binary, &SseMoves.MoveHigh);
        Add(Code.Unpcklpd_xmm_xmmm128, SseForm.Binary, &SseMoves.MoveHigh);
        Add(Code.Punpckhbw_xmm_xmmm128, SseForm.Binary, &SseMoves.Punpckhbw);
        Add(Code.Punpckhwd_xmm_xmmm128, SseForm.Binary, &SseMoves.Punpckhwd);
        Add(Code.Punpckhdq_xmm_xmmm128, SseForm.Binary, &SseMoves.Punpckhdq);
        Add(Code.Unpckhps_xmm_xmmm128, SseForm.Binary, &SseMoves.Punpckhdq);
        Add(Code.Punpckhqdq_xmm_xmmm128, SseForm.Binary, &SseMoves.Punpckhqdq);
        Add(Code.Unpckhpd_xmm_xmmm128, SseForm.Binary, &SseMoves.Punpckhqdq);
    }

    private void AddLogic()
    {
        Add(Code.Pand_xmm_xmmm128, SseForm.Binary, &SseInteger.Pand);
        Add(Code.Andps_xmm_xmmm128, SseForm.Binary, &SseInteger.Pand);
        Add(Code.Andpd_xmm_xmmm128, SseForm.Binary, &SseInteger.Pand);
        Add(Code.Pandn_xmm_xmmm128, SseForm.Binary, &SseInteger.Pandn);
        Add(Code.Andnps_xmm_xmmm128, SseForm.Binary, &SseInteger.Pandn);
        Add(Code.Andnpd_xmm_xmmm128, SseForm.Binary, &SseInteger.Pandn);
        Add(Code.Por_xmm_xmmm128, SseForm.Binary, &SseInteger.Por);
        Add(Code.Orps_xmm_xmmm128, SseForm.Binary, &SseInteger.Por);
        Add(Code.Orpd_xmm_xmmm128, SseForm.Binary, &SseInteger.Por);
        Add(Code.Pxor_xmm_xmmm128, SseForm.Binary, &SseInteger.Pxor);
        Add(Code.Xorps_xmm_xmmm128, SseForm.Binary, &SseInteger.Pxor);
        Add(Code.Xorpd_xmm_xmmm128, SseForm.Binary, &SseInteger.Pxor);
        Add(Code.Ptest_xmm_xmmm128, SseForm.Binary, &SseInteger.Ptest, 16, SimdFeature.Sse41);
    }

    private void AddIntegers()
    {
        Add(Code.Paddb_xmm_xmmm128, SseForm.Binary, &SseInteger.Paddb);
        Add(Code.Paddw_xmm_xmmm128, SseForm.Binary, &SseInteger.Paddw);
        Add(Code.Paddd_xmm_xmmm128, SseForm.Binary, &SseInteger.Paddd);
        Add(Code.Paddq_xmm_xmmm128, SseForm.Binary, &SseInteger.Paddq);
        Add(Code.Paddsb_xmm_xmmm128, SseForm.Binary, &SseInteger.Paddsb);
        Add(Code.Paddsw_xmm_xmmm128, SseForm.Binary, &SseInteger.Paddsw);
        Add(Code.Paddusb_xmm_xmmm128, SseForm.Binary, &SseInteger.Paddusb);
        Add(Code.Paddusw_xmm_xmmm128, SseForm.Binary, &SseInteger.Paddusw);
        Add(Code.Psubb_xmm_xmmm128, SseForm.Binary, &SseInteger.Psubb);
        Add(Code.Psubw_xmm_xmmm128, SseForm.Binary, &SseInteger.Psubw);
        Add(Code.Psubd_xmm_xmmm128, SseForm.Binary, &SseInteger.Psubd);
        Add(Code.Psubq_xmm_xmmm128, SseForm.Binary, &SseInteger.Psubq);
        Add(Code.Psubsb_xmm_xmmm128, SseForm.Binary, &SseInteger.Psubsb);
        Add(Code.Psubsw_xmm_xmmm128, SseForm.Binary, &SseInteger.Psubsw);
        Add(Code.Psubusb_xmm_xmmm128, SseForm.Binary, &SseInteger.Psubusb);
        Add(Code.Psubusw_xmm_xmmm128, SseForm.Binary, &SseInteger.Psubusw);
        Add(Code.Pavgb_xmm_xmmm128, SseForm.Binary, &SseInteger.Pavgb);
        Add(Code.Pavgw_xmm_xmmm128, SseForm.Binary, &SseInteger.Pavgw);
        Add(Code.Psadbw_xmm_xmmm128, SseForm.Binary, &SseInteger.Psadbw);
        Add(Code.Pmullw_xmm_xmmm128, SseForm.Binary, &SseInteger.Pmullw);
        Add(Code.Pmulhw_xmm_xmmm128, SseForm.Binary, &SseInteger.Pmulhw);
        Add(Code.Pmulhuw_xmm_xmmm128, SseForm.Binary, &SseInteger.Pmulhuw);
        Add(Code.Pmuludq_xmm_xmmm128, SseForm.Binary, &SseInteger.Pmuludq);
        Add(Code.Pmaddwd_xmm_xmmm128, SseForm.Binary, &SseInteger.Pmaddwd);
        Add(Code.Pcmpeqb_xmm_xmmm128, SseForm.Binary, &SseInteger.Pcmpeqb);
        Add(Code.Pcmpeqw_xmm_xmmm128, SseForm.Binary, &SseInteger.Pcmpeqw);
        Add(Code.Pcmpeqd_xmm_xmmm128, SseForm.Binary, &SseInteger.Pcmpeqd);
        Add(Code.Pcmpgtb_xmm_xmmm128, SseForm.Binary, &SseInteger.Pcmpgtb);
        Add(Code.Pcmpgtw_xmm_xmmm128, SseForm.Binary, &SseInteger.Pcmpgtw);
        Add(Code.Pcmpgtd_xmm_xmmm128, SseForm.Binary, &SseInteger.Pcmpgtd);
        Add(Code.Pminub_xmm_xmmm128, SseForm.Binary, &SseInteger.Pminub);
        Add(Code.Pmaxub_xmm_xmmm128, SseForm.Binary, &SseInteger.Pmaxub);
        Add(Code.Pminsw_xmm_xmmm128, SseForm.Binary, &SseInteger.Pminsw);
        Add(Code.Pmaxsw_xmm_xmmm128, SseForm.Binary, &SseInteger.Pmaxsw);
        Add(Code.Packsswb_xmm_xmmm128, SseForm.Binary, &SseInteger.Packsswb);
        Add(Code.Packssdw_xmm_xmmm128, SseForm.Binary, &SseInteger.Packssdw);
        Add(Code.Packuswb_xmm_xmmm128, SseForm.Binary, &SseInteger.Packuswb);
        Add(Code.Psllw_xmm_xmmm128, SseForm.Binary, &SseInteger.Psllw);
        Add(Code.Pslld_xmm_xmmm128, SseForm.Binary, &SseInteger.Pslld);
        Add(Code.Psllq_xmm_xmmm128, SseForm.Binary, &SseInteger.Psllq);
        Add(Code.Psrlw_xmm_xmmm128, SseForm.Binary, &SseInteger.Psrlw);
        Add(Code.Psrld_xmm_xmmm128, SseForm.Binary, &SseInteger.Psrld);
        Add(Code.Psrlq_xmm_xmmm128, SseForm.Binary, &SseInteger.Psrlq);
        Add(Code.Psraw_xmm_xmmm128, SseForm.Binary, &SseInteger.Psraw);
        Add(Code.Psrad_xmm_xmmm128, SseForm.Binary, &SseInteger.Psrad);
        Add(Code.Phaddw_xmm_xmmm128, SseForm.Binary, &SseInteger.Phaddw, 16, SimdFeature.Ssse3);
        Add(Code.Phaddd_xmm_xmmm128, SseForm.Binary, &SseInteger.Phaddd, 16, SimdFeature.Ssse3);
        Add(Code.Phaddsw_xmm_xmmm128, SseForm.Binary, &SseInteger.Phaddsw, 16, SimdFeature.Ssse3);
        Add(Code.Phsubw_xmm_xmmm128, SseForm.Binary, &SseInteger.Phsubw, 16, SimdFeature.Ssse3);
        Add(Code.Phsubd_xmm_xmmm128, SseForm.Binary, &SseInteger.Phsubd, 16, SimdFeature.Ssse3);
        Add(Code.Phsubsw_xmm_xmmm128, SseForm.Binary, &SseInteger.Phsubsw, 16, SimdFeature.Ssse3);
        Add(Code.Pmaddubsw_xmm_xmmm128, SseForm.Binary, &SseInteger.Pmaddubsw, 16, SimdFeature.Ssse3);
        Add(Code.Pmulhrsw_xmm_xmmm128, SseForm.Binary, &SseInteger.Pmulhrsw, 16, SimdFeature.Ssse3);
        Add(Code.Pabsb_xmm_xmmm128, SseForm.Binary, &SseInteger.Pabsb, 16, SimdFeature.Ssse3);
        Add(Code.Pabsw_xmm_xmmm128, SseForm.Binary, &SseInteger.Pabsw, 16, SimdFeature.Ssse3);
        Add(Code.Pabsd_xmm_xmmm128, SseForm.Binary, &SseInteger.Pabsd, 16, SimdFeature.Ssse3);
        Add(Code.Psignb_xmm_xmmm128, SseForm.Binary, &SseInteger.Psignb, 16, SimdFeature.Ssse3);
        Add(Code.Psignw_xmm_xmmm128, SseForm.Binary, &SseInteger.Psignw, 16, SimdFeature.Ssse3);
        Add(Code.Psignd_xmm_xmmm128, SseForm.Binary, &SseInteger.Psignd, 16, SimdFeature.Ssse3);
        Add(Code.Pmuldq_xmm_xmmm128, SseForm.Binary, &SseInteger.Pmuldq, 16, SimdFeature.Sse41);
        Add(Code.Pmulld_xmm_xmmm128, SseForm.Binary, &SseInteger.Pmulld, 16, SimdFeature.Sse41);
        Add(Code.Pcmpeqq_xmm_xmmm128, SseForm.Binary, &SseInteger.Pcmpeqq, 16, SimdFeature.Sse41);
        Add(Code.Pminsb_xmm_xmmm128, SseForm.Binary, &SseInteger.Pminsb, 16, SimdFeature.Sse41);
        Add(Code.Pminsd_xmm_xmmm128, SseForm.Binary, &SseInteger.Pminsd, 16, SimdFeature.Sse41);
        Add(Code.Pminuw_xmm_xmmm128, SseForm.Binary, &SseInteger.Pminuw, 16, SimdFeature.Sse41);
        Add(Code.Pminud_xmm_xmmm128, SseForm.Binary, &SseInteger.Pminud, 16, SimdFeature.Sse41);
        Add(Code.Pmaxsb_xmm_xmmm128, SseForm.Binary, &SseInteger.Pmaxsb, 16, SimdFeature.Sse41);
        Add(Code.Pmaxsd_xmm_xmmm128, SseForm.Binary, &SseInteger.Pmaxsd, 16, SimdFeature.Sse41);
        Add(Code.Pmaxuw_xmm_xmmm128, SseForm.Binary, &SseInteger.Pmaxuw, 16, SimdFeature.Sse41);
        Add(Code.Pmaxud_xmm_xmmm128, SseForm.Binary, &SseInteger.Pmaxud, 16, SimdFeature.Sse41);
        Add(Code.Phminposuw_xmm_xmmm128, SseForm.Binary, &SseInteger.Phminposuw, 16, SimdFeature.Sse41);
        Add(Code.Packusdw_xmm_xmmm128, SseForm.Binary, &SseInteger.Packusdw, 16, SimdFeature.Sse41);
        Add(Code.Pcmpgtq_xmm_xmmm128, SseForm.Binary, &SseInteger.Pcmpgtq, 16, SimdFeature.Sse42);
        Add(Code.Mpsadbw_xmm_xmmm128_imm8, SseForm.Binary, &SseInteger.Mpsadbw, 16, SimdFeature.Sse41);
        Add(Code.Pmovsxbw_xmm_xmmm64, SseForm.Binary, &SseInteger.Pmovsxbw, 8, SimdFeature.Sse41);
        Add(Code.Pmovsxbd_xmm_xmmm32, SseForm.Binary, &SseInteger.Pmovsxbd, 4, SimdFeature.Sse41);
        Add(Code.Pmovsxbq_xmm_xmmm16, SseForm.Binary, &SseInteger.Pmovsxbq, 2, SimdFeature.Sse41);
        Add(Code.Pmovsxwd_xmm_xmmm64, SseForm.Binary, &SseInteger.Pmovsxwd, 8, SimdFeature.Sse41);
        Add(Code.Pmovsxwq_xmm_xmmm32, SseForm.Binary, &SseInteger.Pmovsxwq, 4, SimdFeature.Sse41);
        Add(Code.Pmovsxdq_xmm_xmmm64, SseForm.Binary, &SseInteger.Pmovsxdq, 8, SimdFeature.Sse41);
        Add(Code.Pmovzxbw_xmm_xmmm64, SseForm.Binary, &SseInteger.Pmovzxbw, 8, SimdFeature.Sse41);
        Add(Code.Pmovzxbd_xmm_xmmm32, SseForm.Binary, &SseInteger.Pmovzxbd, 4, SimdFeature.Sse41);
        Add(Code.Pmovzxbq_xmm_xmmm16, SseForm.Binary, &SseInteger.Pmovzxbq, 2, SimdFeature.Sse41);
        Add(Code.Pmovzxwd_xmm_xmmm64, SseForm.Binary, &SseInteger.Pmovzxwd, 8, SimdFeature.Sse41);
        Add(Code.Pmovzxwq_xmm_xmmm32, SseForm.Binary, &SseInteger.Pmovzxwq, 4, SimdFeature.Sse41);
        Add(Code.Pmovzxdq_xmm_xmmm64, SseForm.Binary, &SseInteger.Pmovzxdq, 8, SimdFeature.Sse41);
        Add(Code.Psllw_xmm_imm8, SseForm.Immediate, &SseInteger.PsllwImmediate);
        Add(Code.Pslld_xmm_imm8, SseForm.Immediate, &SseInteger.PslldImmediate);
        Add(Code.Psllq_xmm_imm8, SseForm.Immediate, &SseInteger.PsllqImmediate);
        Add(Code.Psrlw_xmm_imm8, SseForm.Immediate, &SseInteger.PsrlwImmediate);
        Add(Code.Psrld_xmm_imm8, SseForm.Immediate, &SseInteger.PsrldImmediate);
        Add(Code.Psrlq_xmm_imm8, SseForm.Immediate, &SseInteger.PsrlqImmediate);
        Add(Code.Psraw_xmm_imm8, SseForm.Immediate, &SseInteger.PsrawImmediate);
        Add(Code.Psrad_xmm_imm8, SseForm.Immediate, &SseInteger.PsradImmediate);
        Add(Code.Pslldq_xmm_imm8, SseForm.Immediate, &SseMoves.Pslldq);
        Add(Code.Psrldq_xmm_imm8, SseForm.Immediate, &SseMoves.Psrldq);
    }

    private void AddArithmetic()
    {
        Add(Code.Addps_xmm_xmmm128, SseForm.Binary, &SseFloat.Packed32<FloatOperations.Add>);
        Add(Code.Addpd_xmm_xmmm128, SseForm.Binary, &SseFloat.Packed64<FloatOperations.Add>);
        Add(Code.Addss_xmm_xmmm32, SseForm.Binary, &SseFloat.Scalar32<FloatOperations.Add>, 4);
        Add(Code.Addsd_xmm_xmmm64, SseForm.Binary, &SseFloat.Scalar64<FloatOperations.Add>, 8);
        Add(Code.Subps_xmm_xmmm128, SseForm.Binary, &SseFloat.Packed32<FloatOperations.Subtract>);
        Add(Code.Subpd_xmm_xmmm128, SseForm.Binary, &SseFloat.Packed64<FloatOperations.Subtract>);
        Add(Code.Subss_xmm_xmmm32, SseForm.Binary, &SseFloat.Scalar32<FloatOperations.Subtract>, 4);
        Add(Code.Subsd_xmm_xmmm64, SseForm.Binary, &SseFloat.Scalar64<FloatOperations.Subtract>, 8);
        Add(Code.Mulps_xmm_xmmm128, SseForm.Binary, &SseFloat.Packed32<FloatOperations.Multiply>);
        Add(Code.Mulpd_xmm_xmmm128, SseForm.Binary, &SseFloat.Packed64<FloatOperations.Multiply>);
        Add(Code.Mulss_xmm_xmmm32, SseForm.Binary, &SseFloat.Scalar32<FloatOperations.Multiply>, 4);
        Add(Code.Mulsd_xmm_xmmm64, SseForm.Binary, &SseFloat.Scalar64<FloatOperations.Multiply>, 8);
        Add(Code.Divps_xmm_xmmm128, SseForm.Binary, &SseFloat.Packed32<FloatOperations.Divide>);
        Add(Code.Divpd_xmm_xmmm128, SseForm.Binary, &SseFloat.Packed64<FloatOperations.Divide>);
        Add(Code.Divss_xmm_xmmm32, SseForm.Binary, &SseFloat.Scalar32<FloatOperations.Divide>, 4);
        Add(Code.Divsd_xmm_xmmm64, SseForm.Binary, &SseFloat.Scalar64<FloatOperations.Divide>, 8);
        Add(Code.Minps_xmm_xmmm128, SseForm.Binary, &SseFloat.Packed32<FloatOperations.Minimum>);
        Add(Code.Minpd_xmm_xmmm128, SseForm.Binary, &SseFloat.Packed64<FloatOperations.Minimum>);
        Add(Code.Minss_xmm_xmmm32, SseForm.Binary, &SseFloat.Scalar32<FloatOperations.Minimum>, 4);
        Add(Code.Minsd_xmm_xmmm64, SseForm.Binary, &SseFloat.Scalar64<FloatOperations.Minimum>, 8);
        Add(Code.Maxps_xmm_xmmm128, SseForm.Binary, &SseFloat.Packed32<FloatOperations.Maximum>);
        Add(Code.Maxpd_xmm_xmmm128, SseForm.Binary, &SseFloat.Packed64<FloatOperations.Maximum>);
        Add(Code.Maxss_xmm_xmmm32, SseForm.Binary, &SseFloat.Scalar32<FloatOperations.Maximum>, 4);
        Add(Code.Maxsd_xmm_xmmm64, SseForm.Binary, &SseFloat.Scalar64<FloatOperations.Maximum>, 8);
        Add(Code.Haddps_xmm_xmmm128, SseForm.Binary, &SseFloat.Horizontal32<FloatOperations.Add>, 16, SimdFeature.Sse3);
        Add(Code.Haddpd_xmm_xmmm128, SseForm.Binary, &SseFloat.Horizontal64<FloatOperations.Add>, 16, SimdFeature.Sse3);
        Add(Code.Hsubps_xmm_xmmm128, SseForm.Binary, &SseFloat.Horizontal32<FloatOperations.Subtract>, 16, SimdFeature.Sse3);
        Add(Code.Hsubpd_xmm_xmmm128, SseForm.Binary, &SseFloat.Horizontal64<FloatOperations.Subtract>, 16, SimdFeature.Sse3);
        Add(Code.Addsubps_xmm_xmmm128, SseForm.Binary, &SseFloat.Addsubps, 16, SimdFeature.Sse3);
        Add(Code.Addsubpd_xmm_xmmm128, SseForm.Binary, &SseFloat.Addsubpd, 16, SimdFeature.Sse3);
        Add(Code.Sqrtps_xmm_xmmm128, SseForm.Binary, &SseFloat.Sqrtps);
        Add(Code.Sqrtpd_xmm_xmmm128, SseForm.Binary, &SseFloat.Sqrtpd);
        Add(Code.Sqrtss_xmm_xmmm32, SseForm.Binary, &SseFloat.Sqrtss, 4);
        Add(Code.Sqrtsd_xmm_xmmm64, SseForm.Binary, &SseFloat.Sqrtsd, 8);
        Add(Code.Rcpps_xmm_xmmm128, SseForm.Binary, &SseFloat.Rcpps);
        Add(Code.Rcpss_xmm_xmmm32, SseForm.Binary, &SseFloat.Rcpss, 4);
        Add(Code.Rsqrtps_xmm_xmmm128, SseForm.Binary, &SseFloat.Rsqrtps);
        Add(Code.Rsqrtss_xmm_xmmm32, SseForm.Binary, &SseFloat.Rsqrtss, 4);
        Add(Code.Roundps_xmm_xmmm128_imm8, SseForm.Binary, &SseFloat.Roundps, 16, SimdFeature.Sse41);
        Add(Code.Roundpd_xmm_xmmm128_imm8, SseForm.Binary, &SseFloat.Roundpd, 16, SimdFeature.Sse41);
        Add(Code.Roundss_xmm_xmmm32_imm8, SseForm.Binary, &SseFloat.Roundss, 4, SimdFeature.Sse41);
        Add(Code.Roundsd_xmm_xmmm64_imm8, SseForm.Binary, &SseFloat.Roundsd, 8, SimdFeature.Sse41);
        Add(Code.Dpps_xmm_xmmm128_imm8, SseForm.Binary, &SseFloat.Dpps, 16, SimdFeature.Sse41);
        Add(Code.Dppd_xmm_xmmm128_imm8, SseForm.Binary, &SseFloat.Dppd, 16, SimdFeature.Sse41);
    }

    private void AddComparisons()
    {
        Add(Code.Ucomiss_xmm_xmmm32, SseForm.Binary, &SseCompare.Ucomiss, 4);
        Add(Code.Ucomisd_xmm_xmmm64, SseForm.Binary, &SseCompare.Ucomisd, 8);
        Add(Code.Comiss_xmm_xmmm32, SseForm.Binary, &SseCompare.Comiss, 4);
        Add(Code.Comisd_xmm_xmmm64, SseForm.Binary, &SseCompare.Comisd, 8);
        Add(Code.Cmpps_xmm_xmmm128_imm8, SseForm.Binary, &SseCompare.Cmpps);
        Add(Code.Cmppd_xmm_xmmm128_imm8, SseForm.Binary, &SseCompare.Cmppd);
        Add(Code.Cmpss_xmm_xmmm32_imm8, SseForm.Binary, &SseCompare.Cmpss, 4);
        Add(Code.Cmpsd_xmm_xmmm64_imm8, SseForm.Binary, &SseCompare.Cmpsd, 8);
    }

    private void AddConversions()
    {
        Add(Code.Cvtsi2ss_xmm_rm32, SseForm.FromGeneral, &SseConvert.Cvtsi2ss, 4);
        Add(Code.Cvtsi2ss_xmm_rm64, SseForm.FromGeneral, &SseConvert.Cvtsi2ss, 8);
        Add(Code.Cvtsi2sd_xmm_rm32, SseForm.FromGeneral, &SseConvert.Cvtsi2sd, 4);
        Add(Code.Cvtsi2sd_xmm_rm64, SseForm.FromGeneral, &SseConvert.Cvtsi2sd, 8);
        Add(Code.Cvtss2si_r32_xmmm32, SseForm.ToGeneral, &SseConvert.Cvtss2si, 4);
        Add(Code.Cvtss2si_r64_xmmm32, SseForm.ToGeneral, &SseConvert.Cvtss2si, 4);
        Add(Code.Cvtsd2si_r32_xmmm64, SseForm.ToGeneral, &SseConvert.Cvtsd2si, 8);
        Add(Code.Cvtsd2si_r64_xmmm64, SseForm.ToGeneral, &SseConvert.Cvtsd2si, 8);
        Add(Code.Cvttss2si_r32_xmmm32, SseForm.ToGeneral, &SseConvert.Cvttss2si, 4);
        Add(Code.Cvttss2si_r64_xmmm32, SseForm.ToGeneral, &SseConvert.Cvttss2si, 4);
        Add(Code.Cvttsd2si_r32_xmmm64, SseForm.ToGeneral, &SseConvert.Cvttsd2si, 8);
        Add(Code.Cvttsd2si_r64_xmmm64, SseForm.ToGeneral, &SseConvert.Cvttsd2si, 8);
        Add(Code.Cvtss2sd_xmm_xmmm32, SseForm.Binary, &SseConvert.Cvtss2sd, 4);
        Add(Code.Cvtsd2ss_xmm_xmmm64, SseForm.Binary, &SseConvert.Cvtsd2ss, 8);
        Add(Code.Cvtps2pd_xmm_xmmm64, SseForm.Binary, &SseConvert.Cvtps2pd, 8);
        Add(Code.Cvtpd2ps_xmm_xmmm128, SseForm.Binary, &SseConvert.Cvtpd2ps);
        Add(Code.Cvtdq2ps_xmm_xmmm128, SseForm.Binary, &SseConvert.Cvtdq2ps);
        Add(Code.Cvtdq2pd_xmm_xmmm64, SseForm.Binary, &SseConvert.Cvtdq2pd, 8);
        Add(Code.Cvtps2dq_xmm_xmmm128, SseForm.Binary, &SseConvert.Cvtps2dq);
        Add(Code.Cvttps2dq_xmm_xmmm128, SseForm.Binary, &SseConvert.Cvttps2dq);
        Add(Code.Cvtpd2dq_xmm_xmmm128, SseForm.Binary, &SseConvert.Cvtpd2dq);
        Add(Code.Cvttpd2dq_xmm_xmmm128, SseForm.Binary, &SseConvert.Cvttpd2dq);
    }

    private void AddExtensions()
    {
        Add(Code.Pcmpistri_xmm_xmmm128_imm8, SseForm.BinaryUnaligned, &SseStrings.Pcmpistri, 16, SimdFeature.Sse42);
        Add(Code.Pcmpistrm_xmm_xmmm128_imm8, SseForm.BinaryUnaligned, &SseStrings.Pcmpistrm, 16, SimdFeature.Sse42);
        Add(Code.Pcmpestri_xmm_xmmm128_imm8, SseForm.BinaryUnaligned, &SseStrings.Pcmpestri, 16, SimdFeature.Sse42);
        Add(Code.Pcmpestrm_xmm_xmmm128_imm8, SseForm.BinaryUnaligned, &SseStrings.Pcmpestrm, 16, SimdFeature.Sse42);
        Add(Code.Pcmpestri64_xmm_xmmm128_imm8, SseForm.BinaryUnaligned, &SseStrings.Pcmpestri64, 16, SimdFeature.Sse42);
        Add(Code.Pcmpestrm64_xmm_xmmm128_imm8, SseForm.BinaryUnaligned, &SseStrings.Pcmpestrm64, 16, SimdFeature.Sse42);
        Add(Code.Aesenc_xmm_xmmm128, SseForm.Binary, &SseCrypto.Aesenc, 16, SimdFeature.Aes);
        Add(Code.Aesenclast_xmm_xmmm128, SseForm.Binary, &SseCrypto.Aesenclast, 16, SimdFeature.Aes);
        Add(Code.Aesdec_xmm_xmmm128, SseForm.Binary, &SseCrypto.Aesdec, 16, SimdFeature.Aes);
        Add(Code.Aesdeclast_xmm_xmmm128, SseForm.Binary, &SseCrypto.Aesdeclast, 16, SimdFeature.Aes);
        Add(Code.Aesimc_xmm_xmmm128, SseForm.Binary, &SseCrypto.Aesimc, 16, SimdFeature.Aes);
        Add(Code.Aeskeygenassist_xmm_xmmm128_imm8, SseForm.Binary, &SseCrypto.Aeskeygenassist, 16, SimdFeature.Aes);
        Add(Code.Pclmulqdq_xmm_xmmm128_imm8, SseForm.Binary, &SseCrypto.Pclmulqdq, 16, SimdFeature.Pclmulqdq);
    }
}
