using Iced.Intel;
using Vmm.Cpu.Decode;

namespace Vmm.Cpu.Execute.Simd;

/// <summary>Every MMX instruction's recipe, found by Iced's code.</summary>
internal sealed unsafe class MmxTable
{
    private readonly Dictionary<Code, MmxRecipe> _recipes = [];

    private MmxTable()
    {
        AddMoves();
        AddConversions();
        AddLanes();
        AddAcross();
    }

    public static MmxTable Instance { get; } = new();

    /// <summary>A recipe of form <see cref="MmxForm.None"/> when the code is none of ours.</summary>
    public MmxRecipe Find(Code code) => _recipes.GetValueOrDefault(code);

    /// <summary>All codes in the table.</summary>
    public IReadOnlyCollection<Code> Codes => _recipes.Keys;

    private void Add(Code code, MmxForm form, delegate*<Cpu, Op*, bool> handler, int bytes = sizeof(ulong), SimdFeature feature = SimdFeature.Base)
        => _recipes.Add(code, new MmxRecipe(form, handler, bytes, feature));

    private void AddMoves()
    {
        Add(Code.Movq_mm_mmm64, MmxForm.Load, null);
        Add(Code.Movq_mmm64_mm, MmxForm.Store, null);
        Add(Code.Movntq_m64_mm, MmxForm.Store, null);
        Add(Code.Movd_mm_rm32, MmxForm.FromGeneral, null, 4);
        Add(Code.Movq_mm_rm64, MmxForm.FromGeneral, null);
        Add(Code.Movd_rm32_mm, MmxForm.ToGeneral, null, 4);
        Add(Code.Movq_rm64_mm, MmxForm.ToGeneral, null);
        Add(Code.Pinsrw_mm_r32m16_imm8, MmxForm.Insert, &MmxHandlers.Pinsrw, 2);
        Add(Code.Pinsrw_mm_r64m16_imm8, MmxForm.Insert, &MmxHandlers.Pinsrw, 2);
        Add(Code.Pextrw_r32_mm_imm8, MmxForm.Extract, &MmxHandlers.Pextrw);
        Add(Code.Pmovmskb_r32_mm, MmxForm.Extract, &MmxHandlers.Pmovmskb);
        Add(Code.Pextrw_r64_mm_imm8, MmxForm.Extract, &MmxHandlers.Pextrw);
        Add(Code.Pmovmskb_r64_mm, MmxForm.Extract, &MmxHandlers.Pmovmskb);
        Add(Code.Movq2dq_xmm_mm, MmxForm.ToXmm, &SseMoves.Movq);
        Add(Code.Movdq2q_mm_xmm, MmxForm.FromXmm, &SseMoves.Movq);
        Add(Code.Maskmovq_rDI_mm_mm, MmxForm.MaskedStore, null);
        Add(Code.Emms, MmxForm.Empty, null);
    }

    private void AddConversions()
    {
        Add(Code.Cvtpi2ps_xmm_mmm64, MmxForm.ToXmmFromMemory, &SseConvert.Cvtpi2ps);
        Add(Code.Cvtpi2pd_xmm_mmm64, MmxForm.ToXmmFromMemory, &SseConvert.Cvtdq2pd);
        Add(Code.Cvtps2pi_mm_xmmm64, MmxForm.FromXmm, &SseConvert.Cvtps2pi);
        Add(Code.Cvttps2pi_mm_xmmm64, MmxForm.FromXmm, &SseConvert.Cvttps2pi);
        Add(Code.Cvtpd2pi_mm_xmmm128, MmxForm.FromXmm, &SseConvert.Cvtpd2dq, 16);
        Add(Code.Cvttpd2pi_mm_xmmm128, MmxForm.FromXmm, &SseConvert.Cvttpd2dq, 16);
    }

    private void AddLanes()
    {
        Add(Code.Paddb_mm_mmm64, MmxForm.Lanes, &SseInteger.Paddb);
        Add(Code.Paddw_mm_mmm64, MmxForm.Lanes, &SseInteger.Paddw);
        Add(Code.Paddd_mm_mmm64, MmxForm.Lanes, &SseInteger.Paddd);
        Add(Code.Paddq_mm_mmm64, MmxForm.Lanes, &SseInteger.Paddq);
        Add(Code.Paddsb_mm_mmm64, MmxForm.Lanes, &SseInteger.Paddsb);
        Add(Code.Paddsw_mm_mmm64, MmxForm.Lanes, &SseInteger.Paddsw);
        Add(Code.Paddusb_mm_mmm64, MmxForm.Lanes, &SseInteger.Paddusb);
        Add(Code.Paddusw_mm_mmm64, MmxForm.Lanes, &SseInteger.Paddusw);
        Add(Code.Psubb_mm_mmm64, MmxForm.Lanes, &SseInteger.Psubb);
        Add(Code.Psubw_mm_mmm64, MmxForm.Lanes, &SseInteger.Psubw);
        Add(Code.Psubd_mm_mmm64, MmxForm.Lanes, &SseInteger.Psubd);
        Add(Code.Psubq_mm_mmm64, MmxForm.Lanes, &SseInteger.Psubq);
        Add(Code.Psubsb_mm_mmm64, MmxForm.Lanes, &SseInteger.Psubsb);
        Add(Code.Psubsw_mm_mmm64, MmxForm.Lanes, &SseInteger.Psubsw);
        Add(Code.Psubusb_mm_mmm64, MmxForm.Lanes, &SseInteger.Psubusb);
        Add(Code.Psubusw_mm_mmm64, MmxForm.Lanes, &SseInteger.Psubusw);
        Add(Code.Pavgb_mm_mmm64, MmxForm.Lanes, &SseInteger.Pavgb);
        Add(Code.Pavgw_mm_mmm64, MmxForm.Lanes, &SseInteger.Pavgw);
        Add(Code.Psadbw_mm_mmm64, MmxForm.Lanes, &SseInteger.Psadbw);
        Add(Code.Pmullw_mm_mmm64, MmxForm.Lanes, &SseInteger.Pmullw);
        Add(Code.Pmulhw_mm_mmm64, MmxForm.Lanes, &SseInteger.Pmulhw);
        Add(Code.Pmulhuw_mm_mmm64, MmxForm.Lanes, &SseInteger.Pmulhuw);
        Add(Code.Pmuludq_mm_mmm64, MmxForm.Lanes, &SseInteger.Pmuludq);
        Add(Code.Pmaddwd_mm_mmm64, MmxForm.Lanes, &SseInteger.Pmaddwd);
        Add(Code.Pcmpeqb_mm_mmm64, MmxForm.Lanes, &SseInteger.Pcmpeqb);
        Add(Code.Pcmpeqw_mm_mmm64, MmxForm.Lanes, &SseInteger.Pcmpeqw);
        Add(Code.Pcmpeqd_mm_mmm64, MmxForm.Lanes, &SseInteger.Pcmpeqd);
        Add(Code.Pcmpgtb_mm_mmm64, MmxForm.Lanes, &SseInteger.Pcmpgtb);
        Add(Code.Pcmpgtw_mm_mmm64, MmxForm.Lanes, &SseInteger.Pcmpgtw);
        Add(Code.Pcmpgtd_mm_mmm64, MmxForm.Lanes, &SseInteger.Pcmpgtd);
        Add(Code.Pminub_mm_mmm64, MmxForm.Lanes, &SseInteger.Pminub);
        Add(Code.Pmaxub_mm_mmm64, MmxForm.Lanes, &SseInteger.Pmaxub);
        Add(Code.Pminsw_mm_mmm64, MmxForm.Lanes, &SseInteger.Pminsw);
        Add(Code.Pmaxsw_mm_mmm64, MmxForm.Lanes, &SseInteger.Pmaxsw);
        Add(Code.Pand_mm_mmm64, MmxForm.Lanes, &SseInteger.Pand);
        Add(Code.Pandn_mm_mmm64, MmxForm.Lanes, &SseInteger.Pandn);
        Add(Code.Por_mm_mmm64, MmxForm.Lanes, &SseInteger.Por);
        Add(Code.Pxor_mm_mmm64, MmxForm.Lanes, &SseInteger.Pxor);
        Add(Code.Psllw_mm_mmm64, MmxForm.Lanes, &SseInteger.Psllw);
        Add(Code.Pslld_mm_mmm64, MmxForm.Lanes, &SseInteger.Pslld);
        Add(Code.Psllq_mm_mmm64, MmxForm.Lanes, &SseInteger.Psllq);
        Add(Code.Psrlw_mm_mmm64, MmxForm.Lanes, &SseInteger.Psrlw);
        Add(Code.Psrld_mm_mmm64, MmxForm.Lanes, &SseInteger.Psrld);
        Add(Code.Psrlq_mm_mmm64, MmxForm.Lanes, &SseInteger.Psrlq);
        Add(Code.Psraw_mm_mmm64, MmxForm.Lanes, &SseInteger.Psraw);
        Add(Code.Psrad_mm_mmm64, MmxForm.Lanes, &SseInteger.Psrad);
        Add(Code.Pmaddubsw_mm_mmm64, MmxForm.Lanes, &SseInteger.Pmaddubsw, 8, SimdFeature.Ssse3);
        Add(Code.Pmulhrsw_mm_mmm64, MmxForm.Lanes, &SseInteger.Pmulhrsw, 8, SimdFeature.Ssse3);
        Add(Code.Pabsb_mm_mmm64, MmxForm.Lanes, &SseInteger.Pabsb, 8, SimdFeature.Ssse3);
        Add(Code.Pabsw_mm_mmm64, MmxForm.Lanes, &SseInteger.Pabsw, 8, SimdFeature.Ssse3);
        Add(Code.Pabsd_mm_mmm64, MmxForm.Lanes, &SseInteger.Pabsd, 8, SimdFeature.Ssse3);
        Add(Code.Psignb_mm_mmm64, MmxForm.Lanes, &SseInteger.Psignb, 8, SimdFeature.Ssse3);
        Add(Code.Psignw_mm_mmm64, MmxForm.Lanes, &SseInteger.Psignw, 8, SimdFeature.Ssse3);
        Add(Code.Psignd_mm_mmm64, MmxForm.Lanes, &SseInteger.Psignd, 8, SimdFeature.Ssse3);
        Add(Code.Psllw_mm_imm8, MmxForm.Immediate, &SseInteger.PsllwImmediate);
        Add(Code.Pslld_mm_imm8, MmxForm.Immediate, &SseInteger.PslldImmediate);
        Add(Code.Psllq_mm_imm8, MmxForm.Immediate, &SseInteger.PsllqImmediate);
        Add(Code.Psrlw_mm_imm8, MmxForm.Immediate, &SseInteger.PsrlwImmediate);
        Add(Code.Psrld_mm_imm8, MmxForm.Immediate, &SseInteger.PsrldImmediate);
        Add(Code.Psrlq_mm_imm8, MmxForm.Immediate, &SseInteger.PsrlqImmediate);
        Add(Code.Psraw_mm_imm8, MmxForm.Immediate, &SseInteger.PsrawImmediate);
        Add(Code.Psrad_mm_imm8, MmxForm.Immediate, &SseInteger.PsradImmediate);
    }

    private void AddAcross()
    {
        Add(Code.Pshufw_mm_mmm64_imm8, MmxForm.Lanes, &SseMoves.Pshuflw);
        Add(Code.Punpcklbw_mm_mmm32, MmxForm.Lanes, &SseMoves.Punpcklbw, 4);
        Add(Code.Punpckhbw_mm_mmm64, MmxForm.High, &SseMoves.Punpcklbw);
        Add(Code.Punpcklwd_mm_mmm32, MmxForm.Lanes, &SseMoves.Punpcklwd, 4);
        Add(Code.Punpckhwd_mm_mmm64, MmxForm.High, &SseMoves.Punpcklwd);
        Add(Code.Punpckldq_mm_mmm32, MmxForm.Lanes, &SseMoves.Punpckldq, 4);
        Add(Code.Punpckhdq_mm_mmm64, MmxForm.High, &SseMoves.Punpckldq);
        Add(Code.Packsswb_mm_mmm64, MmxForm.Joined, &SseInteger.Packsswb);
        Add(Code.Packssdw_mm_mmm64, MmxForm.Joined, &SseInteger.Packssdw);
        Add(Code.Packuswb_mm_mmm64, MmxForm.Joined, &SseInteger.Packuswb);
        Add(Code.Phaddw_mm_mmm64, MmxForm.Joined, &SseInteger.Phaddw, 8, SimdFeature.Ssse3);
        Add(Code.Phaddd_mm_mmm64, MmxForm.Joined, &SseInteger.Phaddd, 8, SimdFeature.Ssse3);
        Add(Code.Phaddsw_mm_mmm64, MmxForm.Joined, &SseInteger.Phaddsw, 8, SimdFeature.Ssse3);
        Add(Code.Phsubw_mm_mmm64, MmxForm.Joined, &SseInteger.Phsubw, 8, SimdFeature.Ssse3);
        Add(Code.Phsubd_mm_mmm64, MmxForm.Joined, &SseInteger.Phsubd, 8, SimdFeature.Ssse3);
        Add(Code.Phsubsw_mm_mmm64, MmxForm.Joined, &SseInteger.Phsubsw, 8, SimdFeature.Ssse3);
        Add(Code.Pshufb_mm_mmm64, MmxForm.Indexed, &SseMoves.Pshufb, 8, SimdFeature.Ssse3);
        Add(Code.Palignr_mm_mmm64_imm8, MmxForm.Aligned, null, 8, SimdFeature.Ssse3);
    }
}
